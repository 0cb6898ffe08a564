package agenthost

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
)

// tell tells a host to drain, or not to, and returns what it answers.
func (s *stage) tell(h *Service, draining bool) hosts.Beat {
	s.Helper()
	data, err := json.Marshal(hosts.Telling{Draining: draining})
	require.NoError(s, err)
	m, err := s.nc.Request(hosts.DrainSubject(h.beat.Incarnation), data, waitFor)
	require.NoError(s, err)
	var b hosts.Beat
	require.NoError(s, json.Unmarshal(m.Data, &b))
	return b
}

// watch has everybody's beats heard.
func (s *stage) watch() *hosts.Observer {
	s.Helper()
	o, err := hosts.Observe(s.Context(), s.srv.InProcess(s), natstest.Logger(s), hosts.TTL, func() {})
	require.NoError(s, err)
	s.Cleanup(o.Close)
	return o
}

// beatOf waits until a host says so.
func (s *stage) beatOf(o *hosts.Observer, h *Service, ok func(hosts.Beat) bool) {
	s.Helper()
	require.Eventually(s, func() bool {
		b, found := o.View().Find(h.beat.ID)
		return found && ok(b.Beat)
	}, waitFor, pollEvery)
}

// A host that drains ends the questions that it has begun, repairs included, and begins nothing: neither agents that were not
// asked, nor the next question of those that were. It is quiet when all that is in the log; whoever gets its shards asks the
// rest, and nothing is asked twice.
func TestDrain(t *testing.T) {
	s := newStage(t)
	o := s.watch()
	cfg := patient()
	cfg.Batch, cfg.ModelInFlight = 2, 2
	first, second := s.host(cfg), s.host(patient())
	hold := make(chan asked, 16)
	p := s.proxy(func(a asked) { hold <- a })
	s.create(guess(6, two), 6, 3, first)
	s.open()
	a := <-hold
	require.Len(t, a.Calls, 2)

	b := s.tell(first, true)
	require.True(t, b.Draining)
	require.False(t, b.Quiet)
	require.Equal(t, 2, b.Shards)
	s.beatOf(o, first, func(b hosts.Beat) bool { return b.Draining && !b.Quiet && b.InFlight == 2 })
	a.all(func(i int) string {
		if i == 0 {
			return "3 or 4" // is asked about
		}
		return text(a)(i)
	})
	repair := <-hold
	require.Equal(t, llm.PurposeExtract, repair.Purpose)
	repair.all(func(int) string { return "3" })
	s.eventually(func() bool { return s.fold.Left() == 10 }, "both answers")
	s.beatOf(o, first, func(b hosts.Beat) bool { return b.Quiet && b.InFlight == 0 && b.Shards == 2 })
	require.Len(t, p.seen(), 2)

	s.lease(second, 0, 2)
	s.beatOf(o, first, func(b hosts.Beat) bool { return b.Shards == 0 && b.Agents == 0 })
	for !s.fold.Complete() {
		select {
		case a := <-hold:
			numbers(a)
		case <-time.After(pollEvery):
			s.catchUp()
		}
	}
	require.EqualValues(t, 12, s.fold.Asked, "each question of each agent once")
	require.Zero(t, s.fold.Duplicates)

	// Told to take work again, it does.
	require.False(t, s.tell(first, false).Draining)
	s.lease(first, 0, 2)
	s.close(nil)
	s.open()
	require.Len(t, (<-hold).Calls, 2)
}

// What cannot be an order changes nothing.
func TestDrainOrderIsChecked(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	m, err := s.nc.Request(hosts.DrainSubject(h.beat.Incarnation), []byte("drain!"), waitFor)
	require.NoError(t, err)
	require.NotEmpty(t, m.Header.Get("Nats-Service-Error"))
	require.False(t, h.draining.Load())
}

// A host from which the broker has heard nothing for as long as others wait asks nothing, whatever it believes to own, until
// it has said that it lives and has read what became of its shards. Then it asks for those that it still has.
func TestAHostThatStoodStillAsksNothing(t *testing.T) {
	s := newStage(t)
	h, other := s.host(patient()), s.host(patient())
	p := s.proxy(numbers)
	s.create(guess(4, ""), 4, 2, h)
	s.knows(h, func(r *run) bool { return len(r.shards) == 2 })

	h.beats.mu.Lock() // no beat is written, and none was for an hour
	h.beats.fence.beat.Store(-int64(time.Hour))
	s.open()
	s.knows(h, func(r *run) bool { return r.current != nil })
	require.True(t, h.resting())
	require.Never(t, func() bool { return p.calls.Load() > 0 }, 100*time.Millisecond, pollEvery)
	s.lease(other, 0, 1)
	s.eventually(func() bool { return s.fold.Left() == 2 }, "the other host's shard")
	h.beats.mu.Unlock()
	s.complete()
	require.False(t, h.resting())
	require.EqualValues(t, 4, p.calls.Load())
	require.EqualValues(t, 4, s.fold.Asked)
	s.answered(h)
}

// A host that has not read all that is in the log does not know who has its shards.
func TestUpToDate(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	s.create(guess(4, ""), 4, 2, h)
	require.Eventually(t, func() bool { return h.upToDate(t.Context()) }, waitFor, pollEvery)
	h.mu.Lock()
	r := h.runs["r1"].run
	h.mu.Unlock()
	read := r.read.Swap(1)
	require.False(t, h.upToDate(t.Context()))
	h.beats.fence.shut.Store(true)
	require.NoError(t, h.say(t.Context()))
	require.True(t, h.beats.fence.closed())
	r.read.Store(read)
	require.Eventually(t, func() bool { return !h.beats.fence.closed() }, waitFor, pollEvery)
}

// Beats say how much a host does, and a goodbye is the last of them.
func TestBeats(t *testing.T) {
	s := newStage(t)
	o := s.watch()
	cfg := quick()
	cfg.ID = "h1"
	h := s.host(cfg)
	s.create(guess(4, ""), 4, 2, h)
	s.beatOf(o, h, func(b hosts.Beat) bool { return b.Agents == 4 && b.Shards == 2 && b.MemoryBytes > 0 && b.CPUs > 0 })
	s.beatOf(o, h, func(b hosts.Beat) bool { return b.CPU > 0 })
	require.NoError(t, h.Stop(t.Context()))
	require.NoError(t, h.say(t.Context()), "says nothing")
	list, err := hosts.List(t.Context(), h.register)
	require.NoError(t, err)
	require.Empty(t, list)
	require.Eventually(t, func() bool { return len(o.View().Hosts) == 0 }, waitFor, pollEvery)
}
