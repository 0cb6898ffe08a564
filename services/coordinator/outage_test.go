package coordinator

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/runlog"
)

func down(model, from string) control.Outage {
	return control.Outage{Run: "r", Model: model, From: from, Down: true, Reason: "connection refused"}
}

func up(model, from string) control.Outage {
	return control.Outage{Run: "r", Model: model, From: from}
}

// When a run waits, and what ends the waiting.
func TestOutages(t *testing.T) {
	start := time.Now()
	at := func(seconds float64) time.Time { return start.Add(time.Duration(seconds * float64(time.Second))) }
	fresh := func() *outages {
		o := &outages{}
		o.listen(at(-100))
		return o
	}

	o := fresh()
	require.Empty(t, o.worst(at(0)))
	o.hear(up("a", "p1"), at(0))
	require.Empty(t, o.worst(at(0)), "nobody said that it is down")
	o.hear(down("b", "p1"), at(0))
	o.hear(down("a", "p2"), at(0))
	require.Equal(t, "model a: no server can be reached: connection refused", o.worst(at(1)))
	o.wait(at(1))
	o.hear(up("a", "p1"), at(2))
	require.Equal(t, "model a: no server can be reached: connection refused", o.worst(at(2)), "another proxy still reaches none")
	o.hear(up("a", "p2"), at(2))
	require.Contains(t, o.worst(at(2)), "model b", "all models must be back")
	require.Empty(t, o.over(at(2)))
	o.hear(up("b", "p1"), at(3))
	require.Equal(t, "models a, b: servers are back", o.over(at(3)))

	// Silence of all who said so.
	o = fresh()
	o.hear(down("a", "p1"), at(0))
	o.hear(down("a", "p2"), at(0))
	o.wait(at(0))
	o.hear(down("a", "p1"), at(4))
	require.Empty(t, o.over(at(9.9)))
	require.Equal(t, "no llmproxy says any more that it can reach no server", o.over(at(10)))

	// One back, the other silent.
	o = fresh()
	o.hear(down("a", "p1"), at(0))
	o.hear(down("a", "p2"), at(0))
	o.wait(at(0))
	o.hear(up("a", "p1"), at(1))
	require.Empty(t, o.over(at(5.9)))
	require.Equal(t, "model a: a server is back", o.over(at(6)))

	// The pause was written by another coordinator, whose reason was not heard here yet.
	o = fresh()
	o.wait(at(0))
	require.Empty(t, o.over(at(1)))
	o.hear(down("a", "p1"), at(1))
	o.hear(up("a", "p1"), at(2))
	require.Equal(t, "model a: a server is back", o.over(at(2)))

	// A coordinator that has just begun to listen waits until all had time to speak.
	o = &outages{}
	o.listen(at(0))
	o.hear(down("a", "p1"), at(1))
	o.hear(up("a", "p1"), at(2))
	require.Empty(t, o.over(at(5.9)))
	require.Equal(t, "model a: a server is back", o.over(at(6)))

	// While nothing could be heard, silence meant nothing.
	o = fresh()
	o.hear(down("a", "p1"), at(0))
	o.wait(at(0))
	o.deaf(at(5))
	o.deaf(at(50))
	require.Empty(t, o.over(at(55.9)))
	require.NotEmpty(t, o.over(at(56)))

	// Somebody wants the run to go on in spite of it.
	o = fresh()
	o.hear(down("a", "p1"), at(0))
	o.forget()
	require.Empty(t, o.worst(at(0)))
	o.hear(down("a", "p1"), at(1))
	require.NotEmpty(t, o.worst(at(1)))
}

// A run never goes on while a proxy has said within the silence that it reaches no server, and always does once none has.
func TestOutagesAgainstAModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now := time.Now()
		begun := now
		o := &outages{}
		o.listen(now)
		o.wait(now)
		last := map[source]time.Time{}
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now = now.Add(time.Duration(rapid.IntRange(0, 4000).Draw(t, "ms")) * time.Millisecond)
			r := control.Outage{
				Model: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "model"), From: rapid.SampledFrom([]string{"p", "q"}).Draw(t, "from"),
				Down: rapid.Bool().Draw(t, "down"),
			}
			o.hear(r, now)
			if r.Down {
				last[source{r.Model, r.From}] = now
			} else {
				delete(last, source{r.Model, r.From})
			}
			waits := now.Sub(begun) < control.OutageSilence
			for _, said := range last {
				waits = waits || now.Sub(said) < control.OutageSilence
			}
			require.Equal(t, waits, o.over(now) == "")
		}
	})
}

func (s *theatre) outage(r control.Outage) {
	s.Helper()
	r.Run = s.fold.Run
	_, err := s.ask(control.Models, r)
	require.NoError(s, err)
}

func (s *theatre) waits(yes bool) {
	s.Helper()
	s.until(func(f *runlog.Fold) bool { return f.Waiting == yes && f.Paused == yes }, "waiting")
}

// While the servers of a model are down the run pauses and says so; it goes on by itself when they are back.
func TestARunWaitsForServers(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	both := []*Service{s.coordinator("c1", true), s.coordinator("c2", true)}
	s.submit("")
	s.open(1, 0)
	_, err := s.ask(control.Models, control.Outage{Run: s.fold.Run, Model: "nobody", Down: true, From: "p1"})
	require.ErrorContains(t, err, "nobody")
	_, err = s.ask(control.Models, control.Outage{Run: "nobody", Model: "player", Down: true, From: "p1"})
	require.ErrorContains(t, err, "no run")

	s.outage(down("player", "p1"))
	for _, c := range both { // or one of them would take its own silence for an answer
		require.Eventually(t, func() bool {
			c.mu.Lock()
			d := c.drivers[s.fold.Run]
			c.mu.Unlock()
			d.mu.Lock()
			defer d.mu.Unlock()
			return len(d.outages.down) == 1
		}, waitFor, pollEvery)
	}
	s.outage(down("player", "p1"))
	s.waits(true)
	require.Equal(t, "model player: no server can be reached: connection refused", s.fold.Reason)
	info, err := s.ask(control.Status, control.Order{Run: s.fold.Run})
	require.NoError(t, err)
	require.Equal(t, "paused", info.State)
	require.True(t, info.Waiting)
	s.answer(map[int]float64{0: 5}) // what was in flight still counts
	s.until(func(f *runlog.Fold) bool { return f.Left() == 3 }, "an answer")
	require.Len(t, s.fold.Faults, 1)

	s.outage(down("player", "p1"))
	began := time.Now()
	s.waits(false) // by silence
	require.GreaterOrEqual(t, time.Since(began), control.OutageSilence-time.Second)
	require.Equal(t, "no llmproxy says any more that it can reach no server", s.fold.Reason)

	s.outage(down("player", "p1"))
	s.waits(true)
	s.outage(up("player", "p1"))
	s.waits(false)
	require.Equal(t, "model player: a server is back", s.fold.Reason)
	s.answer(map[int]float64{1: 5, 2: 5, 3: 5})
	s.phase(runlog.PhaseClosed)
}

// What people and budgets stop does not go on because a server is back.
func TestAPauseOfSomebodyOutlastsAnOutage(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	s.coordinator("c", true)
	s.submit("")
	s.open(1, 0)
	order := control.Order{Run: s.fold.Run, Reason: "lunch"}
	back := func() {
		t.Helper()
		s.outage(up("player", "p1"))
		_, err := s.ask(control.Status, order) // the driver has taken its step
		require.NoError(t, err)
		s.catchUp()
	}

	s.outage(down("player", "p1"))
	s.waits(true)
	info, err := s.ask(control.Pause, order)
	require.NoError(t, err)
	require.False(t, info.Waiting)
	require.Equal(t, "lunch", info.Reason)
	back()
	look := time.NewTicker(50 * time.Millisecond)
	defer look.Stop()
	for range 30 {
		<-look.C
		s.catchUp()
		require.True(t, s.fold.Paused)
	}
	_, err = s.ask(control.Resume, order)
	require.NoError(t, err)

	s.outage(down("player", "p1"))
	s.waits(true)
	_, err = s.ask(control.Trouble, runlog.Trouble{Run: s.fold.Run, From: "h", Reason: "the budget is spent", Budget: true})
	require.NoError(t, err)
	back()
	require.True(t, s.fold.Paused)
	require.False(t, s.fold.Waiting)
	require.Equal(t, "the budget is spent", s.fold.Reason)
	require.Len(t, s.fold.Faults, 2, "two outages; a budget is no fault")
	_, err = s.ask(control.Resume, order)
	require.NoError(t, err)

	s.outage(down("player", "p1"))
	s.waits(true)
	info, err = s.ask(control.Resume, order) // at once, whatever the servers do
	require.NoError(t, err)
	require.Equal(t, "running", info.State)
	s.answer(all(5))
	s.phase(runlog.PhaseClosed)
	require.Len(t, s.fold.Faults, 3, "what was said before the order does not stop the run again")
}

// A coordinator that finds a run waiting gives everybody time to say that servers are down before it takes silence for an
// answer.
func TestARestartedCoordinatorListensFirst(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	c := s.coordinator("c1", true)
	s.submit("")
	s.open(1, 0)
	s.outage(down("player", "p1"))
	s.waits(true)
	s.end(c)
	began := time.Now()
	s.coordinator("c2", true)
	s.waits(false)
	require.GreaterOrEqual(t, time.Since(began), control.OutageSilence)
}

// Events and the API say that a run waits.
func TestWaitingOverHTTP(t *testing.T) {
	k := newStack(t)
	k.start()
	id := decode[control.Info](t, k.post("/v1/runs", game)).ID
	l := k.listenTo(id, "")
	nc := k.nat.InProcess(t)
	report := down("player", "p1")
	report.Run = id
	require.Eventually(t, func() bool { // until the driver is live
		require.NoError(t, control.Ask(t.Context(), nc, control.Models, report, nil))
		return decode[runDetail](t, k.get("/v1/runs/"+id)).Waiting
	}, waitFor, pollEvery)
	run := decode[runDetail](t, k.get("/v1/runs/"+id))
	require.Equal(t, "paused", run.State)
	require.Contains(t, run.Reason, "model player: no server can be reached")
	paused, _ := l.until("paused")
	require.Equal(t, true, paused.data["waiting"])
	require.Eventually(t, func() bool {
		list := decode[[]control.Info](t, k.get("/v1/runs"))
		return len(list) == 1 && list[0].Waiting
	}, waitFor, pollEvery)
	require.Equal(t, "created", decode[control.Info](t, k.post("/v1/runs/"+id+"/resume", "")).State)
	resumed, _ := l.until("resumed")
	require.NotContains(t, resumed.data, "waiting")
}

// The clock of a run survives the loss of the broker: nobody could speak meanwhile.
func TestABrokerThatIsAwayIsNoSilence(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.InProcess(t)
	d := offline(t, 4, 2)
	d.svc.nc = nc
	d.outages.listen(time.Now().Add(-time.Hour))
	d.outages.hear(down("player", "p1"), time.Now())
	d.fold.Paused, d.fold.Waiting = true, true
	old := time.Now().Add(-time.Hour)
	d.outages.down[source{"player", "p1"}] = said{at: old}
	srv.Kill(t)
	require.Eventually(t, func() bool { return !nc.IsConnected() }, waitFor, pollEvery)
	waits, err := d.wait(t.Context())
	require.NoError(t, err)
	require.True(t, waits)
	require.True(t, d.outages.down[source{"player", "p1"}].at.After(old))
	require.Empty(t, d.outages.over(time.Now()))
}
