package agenthost

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// knows waits until the host's view of the run satisfies ok.
func (s *stage) knows(h *Service, ok func(r *run) bool) {
	s.Helper()
	require.Eventually(s, func() bool {
		h.mu.Lock()
		held := h.runs["r1"]
		h.mu.Unlock()
		if held == nil {
			return false
		}
		held.run.mu.Lock()
		defer held.run.mu.Unlock()
		return ok(held.run)
	}, waitFor, pollEvery)
}

// patient is for tests in which the proxy takes its time.
func patient() Config {
	cfg := quick()
	cfg.Lost = time.Minute
	return cfg
}

const two = "  - {id: why, ask: \"Why {{.answers.guess}}?\", answer: {type: number}}\n"

// A pause in the middle of a turn: what is in flight is accepted, nothing else is asked, and the turn goes on afterwards.
func TestPauseInATurn(t *testing.T) {
	s := newStage(t)
	h := s.host(patient())
	hold := make(chan asked, 8)
	p := s.proxy(func(a asked) { hold <- a })
	s.create(guess(6, two), 6, 6, h)
	s.open()
	a := <-hold
	s.pause()
	s.knows(h, func(r *run) bool { return r.paused })
	a.some(true, func(i int) string {
		if i == 5 {
			return "3 or 4" // would be asked again
		}
		return text(a)(i)
	}, 0, 1, 2, 3, 4, 5)
	s.eventually(func() bool { return s.fold.Left() == 7 }, "five answers")
	s.idle(h)
	require.Len(t, p.seen(), 1)

	s.resume()
	for !s.fold.Complete() {
		select {
		case a := <-hold:
			numbers(a)
		case <-time.After(pollEvery):
			s.catchUp()
		}
	}
	s.answered(h)
	var first, second int
	for _, r := range p.seen()[1:] {
		if questionOf(t, r) == "guess" {
			first += len(r.Calls)
		} else {
			second += len(r.Calls)
		}
	}
	require.Equal(t, 1, first, "only the agent without an answer is asked again")
	require.Equal(t, 6, second)
}

// A cancelled run asks nothing more, and its agents still answer about themselves.
func TestCancelInATurn(t *testing.T) {
	s := newStage(t)
	h := s.host(patient())
	hold := make(chan asked, 8)
	p := s.proxy(func(a asked) { hold <- a })
	s.create(guess(3, two), 3, 3, h)
	s.open()
	a := <-hold
	s.control("cancelled", 1, 0, map[string]string{"reason": "test"})
	s.knows(h, func(r *run) bool { return r.over })
	numbers(a)
	s.idle(h)
	require.Len(t, p.seen(), 1)
	got, err := s.talk(h, 0, "state", "", nil)
	require.NoError(t, err)
	require.EqualValues(t, 1, got.Metadata["round"])
}

const remembering = two + "memory: {turns: all, keep: [question, answer]}\n"

// A host that takes over shards in the middle of a round asks only what was not answered, and its agents remember what
// the agents of an undisturbed run remember.
func TestTakeover(t *testing.T) {
	const agents = 12
	play := func(t *testing.T, disturb bool) []string {
		s := newStage(t)
		first, second := s.host(patient()), s.host(patient())
		left := make(chan asked, 1)
		p := s.proxy(func(a asked) {
			if disturb && a.Round == 2 && questionOf(t, a.Request) == "why" && len(a.Calls) == agents {
				a.some(false, text(a), 0, 2, 4, 6, 8, 10)
				left <- a
				return
			}
			numbers(a)
		})
		s.create(guess(agents, remembering), agents, agents, first)
		s.open()
		s.complete()
		s.close(nil)
		s.open()
		if disturb {
			a := <-left
			s.eventually(func() bool { return s.fold.Left() == 6 }, "half of the answers")
			_, err := s.talk(first, 4, "observe", "the sky is red", nil)
			require.NoError(t, err)
			s.lease(second, 0, 1)
			s.complete()
			a.some(true, text(a), 1, 3, 5, 7, 9, 11) // too late: nobody waits for it
			s.idle(first)
			s.catchUp()
			require.Zero(t, s.fold.Duplicates)
			var rest []uint64
			last := p.seen()[len(p.seen())-1]
			for _, c := range last.Calls {
				rest = append(rest, c.Agent)
			}
			require.Equal(t, []uint64{1, 3, 5, 7, 9, 11}, rest)
		}
		s.complete()
		s.idle(second)
		s.close(nil)
		s.open()
		s.complete()
		var out []string
		for agent := range agents {
			out = append(out, p.promptsOf(3, agent)...)
		}
		return out
	}
	want, got := play(t, false), play(t, true)
	require.Len(t, want, 2*agents)
	for i := range want {
		if i/2 == 4 {
			require.Contains(t, got[i], "user: the sky is red\n", "messages come along")
			continue
		}
		require.Equal(t, want[i], got[i])
	}
}

// A host that loses a lease in a turn drops what comes back; when it gets the shard again it asks the rest. A grant to
// the host that has the shard is the same, as answers under the old epoch do not count any more.
func TestLeaseLostAndRegained(t *testing.T) {
	s := newStage(t)
	first, second := s.host(patient()), s.host(patient())
	hold := make(chan asked, 8)
	p := s.proxy(func(a asked) { hold <- a })
	s.create(guess(4, ""), 4, 4, first)
	s.open()
	old := <-hold
	s.lease(second, 0, 1)
	other := <-hold
	other.some(false, text(other), 1)
	s.eventually(func() bool { return s.fold.Left() == 3 }, "an answer of the second host")
	s.lease(first, 0, 1)
	again := <-hold
	require.Len(t, again.Calls, 3)
	s.lease(first, 0, 1)
	last := <-hold
	require.Len(t, last.Calls, 3)
	wrong := func(int) string { return "99" }
	old.all(func(int) string { return "3 or 4" }) // would be asked about, were the shard still there
	other.some(true, wrong, 0, 2, 3)
	again.all(wrong)
	numbers(last)
	s.complete()
	s.answered(first)
	s.idle(second)
	require.Len(t, p.seen(), 4)
	s.close(nil)
	s.open()
	numbers(<-hold)
	s.complete()
	s.answered(first)
}

// A host that is stopped in a turn leaves the rest to its successor.
func TestHostRestart(t *testing.T) {
	s := newStage(t)
	first := s.host(patient())
	hold := make(chan asked, 8)
	p := s.proxy(func(a asked) { hold <- a })
	s.create(guess(4, ""), 4, 2, first)
	s.open()
	a := <-hold
	a.some(false, text(a), 0)
	s.eventually(func() bool { return s.fold.Left() == 3 }, "one answer")
	s.stop(first)
	second := s.host(patient())
	s.lease(second, 0, 2)
	<-hold // the first host's other shard
	for !s.fold.Complete() {
		select {
		case a := <-hold:
			numbers(a)
		case <-time.After(pollEvery):
			s.catchUp()
		}
	}
	s.answered(second)
	asked := 0
	for _, r := range p.seen()[2:] {
		asked += len(r.Calls)
	}
	require.Equal(t, 3, asked)
}

// A broker that goes away in the middle of a round costs time, and nothing else.
func TestBrokerRestart(t *testing.T) {
	s := newStage(t)
	told := s.troubles()
	cfg := quick()
	cfg.Batch = 16
	h := s.host(cfg)
	requests := make(chan struct{}, 1024)
	s.proxy(func(a asked) {
		requests <- struct{}{}
		numbers(a)
	})
	s.create(guess(2000, two), 2000, 100, h)
	for range 2 {
		s.open()
		for range 40 {
			<-requests
		}
		s.srv.Kill(t)
		s.srv.Restart(t)
		require.NoError(t, bus.Provision(t.Context(), s.js, bus.Options{MaxBytes: 256 << 20}))
		require.Eventually(t, s.nc.IsConnected, waitFor, pollEvery)
		s.complete()
		s.answered(h)
		s.close(nil)
		for len(requests) > 0 {
			<-requests
		}
	}
	require.Empty(t, told)
}

// The round that is open counts, whatever still comes back for an earlier opening of it.
func TestRoundOpenedAgain(t *testing.T) {
	s := newStage(t)
	h := s.host(patient())
	p := s.proxy(func(a asked) {
		if a.Calls[0].Attempt == llm.AttemptsPerOpening {
			numbers(a)
			return
		}
		a.all(func(int) string { return "I cannot answer that." })
	})
	s.create(guess(4, ""), 4, 4, h)
	s.open()
	s.complete()
	require.Equal(t, "refused", s.status(0, 2).String())
	s.control("opened", 1, 0, map[string]any{"attempt": 1})
	s.complete()
	s.answered(h)
	require.Len(t, p.seen(), 2)
}

// Stop returns soon, whatever the host waits for.
func TestStopIsPrompt(t *testing.T) {
	stopsIn := func(t *testing.T, s *stage, h *Service, most time.Duration) {
		began := time.Now()
		s.stop(h)
		require.Less(t, time.Since(began), most)
	}
	t.Run("in a round", func(t *testing.T) {
		s := newStage(t)
		cfg := patient()
		cfg.InFlight = 256
		h := s.host(cfg)
		hold := make(chan asked, 64)
		s.proxy(func(a asked) { hold <- a })
		s.create(guess(3000, ""), 3000, 1000, h)
		s.open()
		<-hold // and the dispatcher waits for a place in flight
		stopsIn(t, s, h, 2*time.Second)
	})
	t.Run("without a broker", func(t *testing.T) {
		s := newStage(t)
		h := s.host(patient())
		hold := make(chan asked, 64)
		s.proxy(func(a asked) { hold <- a })
		s.create(guess(3000, ""), 3000, 1000, h)
		s.open()
		<-hold
		s.srv.Kill(t)
		require.Eventually(t, func() bool { return !h.nc.IsConnected() }, waitFor, pollEvery)
		var appending sync.WaitGroup
		for range maxUnacked + 1 { // the last one finds no place
			appending.Go(func() { h.appender.append("myriad.run.r1.log.asked.0", []byte{0}) })
		}
		require.Eventually(t, func() bool { return len(h.appender.places) == maxUnacked }, waitFor, pollEvery)
		stopsIn(t, s, h, 3*time.Second)
		appending.Wait()
	})
}

// Nothing is left of a host that was started, used and stopped.
func TestNothingLeaks(t *testing.T) {
	s := newStage(t)
	nc := s.srv.InProcess(t)
	s.proxy(numbers)
	var before goleak.Option // what was there after the first host
	for i := range 50 {
		h, err := New(nc, natstest.Logger(t), quick())
		require.NoError(t, err)
		require.NoError(t, h.Start(t.Context()))
		if i == 0 {
			s.create(guess(4, ""), 4, 4, h)
		} else {
			s.lease(h, 0, 1)
		}
		s.knows(h, func(r *run) bool { return len(r.listeners) > 0 })
		if i%8 == 0 {
			s.open()
			s.complete()
			s.close(nil)
		}
		s.stop(h)
		if i == 0 {
			before = goleak.IgnoreCurrent()
		}
	}
	goleak.VerifyNone(t, before)
	// What clients of JetStream keep for their answers stays with the connection.
	require.Less(t, nc.NumSubscriptions(), 2*50)
}

// A host refuses settings it cannot work with, and stopping one that never started is nothing.
func TestSettings(t *testing.T) {
	s := newStage(t)
	for name, change := range map[string]func(*Config){
		"batch":     func(c *Config) { c.Batch = 0 },
		"large":     func(c *Config) { c.Batch = llm.MaxCalls + 1 },
		"in flight": func(c *Config) { c.InFlight = 0 },
		"model":     func(c *Config) { c.ModelInFlight = 0 },
		"bytes":     func(c *Config) { c.InFlightBytes = 0 },
		"flush":     func(c *Config) { c.Flush = 0 },
		"heartbeat": func(c *Config) { c.Heartbeat = 0 },
		"lost":      func(c *Config) { c.Lost = -1 },
	} {
		cfg := quick()
		change(&cfg)
		_, err := New(s.nc, natstest.Logger(t), cfg)
		require.ErrorContains(t, err, "agenthost: ", name)
	}
	h, err := New(s.nc, natstest.Logger(t), quick())
	require.NoError(t, err)
	require.NoError(t, h.Stop(t.Context()))
	require.NoError(t, s.js.DeleteKeyValue(t.Context(), "myriad_hosts"))
	err = h.Start(t.Context())
	require.ErrorContains(t, err, "myriad_hosts")
}

// A population that cannot be had stops the run before anybody is asked; once it is mended a resume is enough.
func TestPopulationIsMissing(t *testing.T) {
	s := newStage(t)
	told := s.troubles()
	h := s.host(quick())
	s.proxy(numbers)
	store, err := s.js.ObjectStore(t.Context(), subjects.StorePersonas)
	require.NoError(t, err)
	s.store = func(p *population.Population) string { return p.Spec().Hash() } // and not there
	s.create(guess(4, ""), 4, 2, h)
	s.open()
	require.Contains(t, (<-told).Reason, remote.ErrNotFound.Error())
	pop, err := population.Draw(t.Context(), population.FromScenario(s.fold.Scenario), nil)
	require.NoError(t, err)
	_, _, err = remote.Store(t.Context(), store, pop)
	require.NoError(t, err)
	s.pause()
	s.resume()
	s.complete()
	s.answered(h)
}

// Of the runs that are over only so many are kept for questions to their agents.
func TestEndedRunsAreForgotten(t *testing.T) {
	s := newStage(t)
	cfg := quick()
	cfg.KeepRuns = 0
	h := s.host(cfg)
	s.proxy(numbers)
	s.create(guess(4, ""), 4, 2, h)
	s.open()
	s.complete()
	_, err := s.talk(h, 0, "state", "", nil)
	require.NoError(t, err)
	s.control(subjects.KindCancelled, 1, 0, runlog.Reason{Reason: "test"})
	require.Eventually(t, func() bool {
		_, err := s.say(0, "state", "", nil)
		return errors.Is(err, nats.ErrNoResponders)
	}, waitFor, pollEvery)
	require.Zero(t, h.now().Agents)
}
