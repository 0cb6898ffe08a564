package coordinator

import (
	"context"
	"encoding/json"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// obedient plays a host that does what coordinators tell it: it beats, and drains when it is told to.
func (s *theatre) obedient(id, incarnation string) (dies func()) {
	s.Helper()
	var draining atomic.Bool
	beat := func() hosts.Beat {
		b := hosts.Beat{ID: id, Incarnation: incarnation, Started: time.Now(), Draining: draining.Load(), Quiet: draining.Load(), CodeAgents: 2}
		_ = hosts.Put(context.Background(), s.kv, b)
		return b
	}
	told, err := s.nc.Subscribe(hosts.DrainSubject(incarnation), func(m *nats.Msg) {
		var t hosts.Telling
		if err := json.Unmarshal(m.Data, &t); err != nil {
			s.Errorf("told %q: %v", m.Data, err)
		}
		draining.Store(t.Draining)
		data, _ := json.Marshal(beat())
		_ = m.Respond(data)
	})
	require.NoError(s, err)
	asked, err := s.nc.Subscribe(hosts.AnnounceSubject(), func(*nats.Msg) { beat() })
	require.NoError(s, err)
	require.NoError(s, s.nc.Flush())
	beat()
	return func() {
		require.NoError(s, told.Unsubscribe())
		require.NoError(s, asked.Unsubscribe())
		require.NoError(s, hosts.Remove(s.Context(), s.kv, incarnation))
	}
}

func (s *theatre) tell(endpoint, id string) (hosts.Status, error) {
	var out hosts.Status
	err := control.Ask(s.Context(), s.nc, endpoint, hosts.Order{ID: id}, &out)
	return out, err
}

func (s *theatre) states() map[string]string {
	s.Helper()
	var l hosts.Listing
	require.NoError(s, control.Ask(s.Context(), s.nc, hosts.EndpointList, struct{}{}, &l))
	out := map[string]string{}
	for _, h := range l.Hosts {
		out[h.ID] = h.State
	}
	return out
}

// A host that drains loses its shards to the others, as planned and not as a fault, in the middle of a round and in a run that
// is paused. The last one is refused. The coordinator may come and go; a new life of the host drains no more.
func TestDrain(t *testing.T) {
	s := newTheatre(t)
	s.obedient("a", "a1")
	diesB := s.obedient("b", "b1")
	c := s.coordinator("c1", true)
	s.submit("")
	s.open(1, 0)
	owner := func(shard int) string { return s.fold.Grants[shard].Incarnation }
	require.NotEqual(t, owner(0), owner(1))

	st, err := s.tell(hosts.EndpointDrain, "a")
	require.NoError(t, err)
	require.True(t, st.Draining)
	require.Equal(t, 2, st.CodeAgents)
	s.until(func(*runlog.Fold) bool { return owner(0) == "b1" && owner(1) == "b1" }, "moved")
	require.Equal(t, []int{1, 0, 0}, []int{s.fold.Moves, s.fold.Takeovers, s.fold.LostHosts})
	require.Eventually(t, func() bool { return s.states()["a"] == hosts.StateDrained }, waitFor, pollEvery)
	require.Equal(t, hosts.StateLiving, s.states()["b"])

	_, err = s.tell(hosts.EndpointDrain, "b")
	var p *control.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, codeLastHost, p.Code)
	require.Contains(t, p.Detail, "b is the only host that takes work")
	_, err = s.tell(hosts.EndpointDrain, "nobody")
	require.ErrorAs(t, err, &p)
	require.Equal(t, codeNotFound, p.Code)
	require.ErrorContains(t, control.Ask(t.Context(), s.nc, hosts.EndpointDrain, "b", nil), "not a JSON order")

	s.end(c)
	s.coordinator("c2", true)
	require.Eventually(t, func() bool { return s.states()["a"] == hosts.StateDrained }, waitFor, pollEvery, "a new coordinator hears of it")

	_, err = s.ask(control.Pause, control.Order{Run: s.fold.Run})
	require.NoError(t, err)
	st, err = s.tell(hosts.EndpointUndrain, "a")
	require.NoError(t, err)
	require.Equal(t, hosts.StateLiving, st.State)
	_, err = s.tell(hosts.EndpointDrain, "b")
	require.NoError(t, err)
	s.until(func(*runlog.Fold) bool { return owner(0) == "a1" && owner(1) == "a1" }, "moved back")
	require.True(t, s.fold.Paused)
	require.Equal(t, []int{3, 0, 0}, []int{s.fold.Moves, s.fold.Takeovers, s.fold.LostHosts})

	diesB()
	s.obedient("b", "b2")
	require.Eventually(t, func() bool { return s.states()["b"] == hosts.StateLiving }, waitFor, pollEvery)
}

// The other life of a host has its shards at once: nobody waits until the old one must be dead.
func TestARestartedHostIsAtWorkAtOnce(t *testing.T) {
	s := newTheatre(t)
	s.coordinator("c1", true)
	s.obedient("a", "a1")
	s.submit("")
	s.open(1, 0)
	began := time.Now()
	s.obedient("a", "a2") // the first has not said goodbye
	s.until(func(f *runlog.Fold) bool { return f.Grants[0].Incarnation == "a2" && f.Grants[1].Incarnation == "a2" }, "taken over")
	require.Less(t, time.Since(began), hosts.TTL/2)
	require.Equal(t, []int{0, 2, 1}, []int{s.fold.Moves, s.fold.Takeovers, s.fold.LostHosts})
}

// attempts counts what is appended, or would have been, to the control records of all runs: a plain subscriber hears it,
// whether the log takes it or not.
func (s *theatre) attempts() *atomic.Int64 {
	s.Helper()
	var n atomic.Int64
	_, err := s.nc.Subscribe("myriad.run.*.log.ctl.>", func(*nats.Msg) { n.Add(1) })
	require.NoError(s, err)
	require.NoError(s, s.nc.Flush())
	return &n
}

// Of two coordinators one does the work, and hardly anything is tried that the other does; when it is gone the other goes on at
// once. The other may try a record where the leader takes long to say that it still leads.
func TestOneCoordinatorLeads(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	byID := map[string]*Service{"c1": s.coordinator("c1", true), "c2": s.coordinator("c2", true)}
	tried := s.attempts()
	s.submit("")
	s.open(1, 0)
	s.answer(all(5))
	s.world(5)
	s.open(2, 0)
	require.Less(t, int(tried.Load()), 2*len(s.writers()), "attempts to append a record, of which there are half as many if both try all")
	leader := s.writers()[0]
	for _, w := range s.writers() {
		require.Contains(t, []string{leader, "env"}, w)
	}

	s.answer(map[int]float64{0: 1, 1: 1})
	s.end(byID[leader])
	began := time.Now()
	s.answer(map[int]float64{2: 1, 3: 1})
	s.phase(runlog.PhaseClosed)
	require.Less(t, time.Since(began), hosts.TTL)
	s.world(1)
	s.phase(runlog.PhaseFinished)
	require.NotEqual(t, leader, s.writers()[len(s.writers())-1])
}

// writers are who wrote the control records of the run.
func (s *theatre) writers() (out []string) {
	s.Helper()
	require.NoError(s, runlog.Read(s.Context(), s.js, 0, []string{subjects.LogCtlAll(s.fold.Run)}, func(e runlog.Entry) error {
		h, _, err := runlog.Decode(e.Data)
		if h.Kind != subjects.KindFault {
			out = append(out, h.Writer)
		}
		return err
	}))
	return out
}

// A coordinator takes no step while the one that leads says that it drives the run, and goes on when that one says nothing
// any more, as one that stands still does, or that it does not.
func TestALeaderThatIsSilent(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	var silent atomic.Bool
	var asked atomic.Int64
	_, err := s.nc.Subscribe(drivesSubject("ghost"), func(m *nats.Msg) {
		asked.Add(1)
		if !silent.Load() {
			_ = m.Respond([]byte("yes"))
		}
	})
	require.NoError(t, err)
	s.fold = runlog.NewFold("r1", runlog.WithAnswers())
	_, err = runlog.AppendControl(t.Context(), s.js, runlog.Header{Kind: subjects.KindCreated, Run: "r1", Writer: "ghost"},
		runlog.Created{Name: "guess", File: "game.yaml", Source: []byte(game), Agents: 4, ShardSize: 2}, 0)
	require.NoError(t, err)
	s.coordinator("c1", true)
	require.Eventually(t, func() bool { return asked.Load() >= 2 }, waitFor, pollEvery)
	s.catchUp()
	require.Equal(t, runlog.PhaseCreated, s.fold.Phase, "the ghost drives it")
	silent.Store(true)
	s.open(1, 0)
}

// Drain over HTTP, and what a list says of hosts.
func TestDrainOverHTTP(t *testing.T) {
	k := newStack(t)
	k.start()
	kv, err := k.js.KeyValue(t.Context(), subjects.BucketHosts)
	require.NoError(t, err)
	s := &theatre{T: t, srv: k.nat, nc: k.nat.InProcess(t), js: k.js, kv: kv}
	order := func(method, id string) answer { return k.do(k.request(method, "/v1/hosts/"+id+"/drain", "")) }
	requireProblem(t, order(http.MethodPost, "a"), http.StatusNotFound, "not_found")
	s.obedient("a", "a1")
	list := func() []hosts.Status { return decode[[]hosts.Status](t, k.get("/v1/hosts")) }
	require.Eventually(t, func() bool { return len(list()) == 1 }, waitFor, pollEvery)
	require.Contains(t, requireProblem(t, order(http.MethodPost, "a"), http.StatusConflict, "last_host").Detail, "start another one first")
	s.obedient("b", "b1")
	require.Eventually(t, func() bool { return len(list()) == 2 }, waitFor, pollEvery)
	st := decode[hosts.Status](t, order(http.MethodPost, "a"))
	require.True(t, st.Draining)
	require.Eventually(t, func() bool { return list()[0].State == hosts.StateDrained }, waitFor, pollEvery)
	require.Equal(t, hosts.StateLiving, list()[1].State)
	require.Equal(t, hosts.StateLiving, decode[hosts.Status](t, order(http.MethodDelete, "a")).State)
	require.Eventually(t, func() bool { return list()[0].State == hosts.StateLiving }, waitFor, pollEvery)
}
