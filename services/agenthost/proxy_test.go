package agenthost

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// troubles starts a responder that stands for the coordinator and returns what it was told.
func (s *stage) troubles() chan runlog.Trouble {
	s.Helper()
	told := make(chan runlog.Trouble, 64)
	sub, err := s.nc.Subscribe(subjects.Service("coordinator", "trouble"), func(m *nats.Msg) {
		var t runlog.Trouble
		if err := json.Unmarshal(m.Data, &t); err != nil {
			s.Errorf("trouble: %v", err)
		}
		select {
		case told <- t:
		default:
		}
		_ = m.Respond([]byte("{}"))
	})
	require.NoError(s, err)
	require.NoError(s, s.nc.Flush())
	s.Cleanup(func() { _ = sub.Unsubscribe() })
	return told
}

func text(a asked) func(int) string {
	return func(i int) string { return fmt.Sprint(number(a.Round, int(a.Calls[i].Agent))) }
}

// answered checks the answers of the open round, which is complete.
func (s *stage) answered(h *Service) {
	s.Helper()
	for agent := range s.fold.Created.Agents {
		require.Equal(s, stats.Answered, s.status(0, agent))
		require.Equal(s, float64(number(s.fold.Round, agent)), s.value(0, agent))
	}
	s.idle(h)
}

// Of a request whose proxy falls silent only the calls without a result go out again, and the log counts them.
func TestSilentProxy(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	p := s.proxy(func(a asked) {
		if len(a.Calls) == 10 {
			a.some(false, text(a), 1, 3, 5)
			return
		}
		numbers(a)
	})
	s.create(guess(10, ""), 10, 10, h)
	s.open()
	s.complete()
	s.answered(h)
	var again []uint64
	for _, c := range p.seen()[1].Calls {
		again = append(again, c.Agent)
	}
	require.Equal(t, []uint64{0, 2, 4, 6, 7, 8, 9}, again)
	require.Len(t, p.seen(), 2)
	require.EqualValues(t, 17, s.fold.Asked)
	require.Zero(t, s.fold.Duplicates)
}

// A proxy that shows life each while is waited for, however long its model takes.
func TestKeepalives(t *testing.T) {
	s := newStage(t)
	cfg := quick()
	cfg.Lost = time.Second
	h := s.host(cfg)
	hold := make(chan asked, 1)
	p := s.proxy(func(a asked) { hold <- a })
	s.create(guess(3, ""), 3, 3, h)
	s.open()
	a, began := <-hold, time.Now()
	require.Eventually(t, func() bool {
		a.send(&llm.Result{ID: a.ID})
		return time.Since(began) > 2*cfg.Lost
	}, waitFor, 20*time.Millisecond)
	numbers(a)
	s.complete()
	s.answered(h)
	require.Len(t, p.seen(), 1)
}

// Proxies that are busy, or that end a request early, get its calls again after a pause.
func TestProxiesThatLeaveCallsUndone(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	var first atomic.Pointer[func(asked)]
	p := s.proxy(func(a asked) {
		if do := first.Swap(nil); do != nil {
			(*do)(a)
			return
		}
		numbers(a)
	})
	s.create(guess(3, ""), 3, 3, h)
	for name, do := range map[string]func(a asked){
		"busy": func(a asked) { a.send(&llm.Result{ID: a.ID, Done: true, Refused: llm.RefusedBusy}) },
		"busy midway": func(a asked) {
			a.some(false, text(a), 0)
			a.send(&llm.Result{ID: a.ID, Done: true, Refused: llm.RefusedBusy})
		},
		"done too soon": func(a asked) { a.some(true, text(a), 2) },
		"done at once":  func(a asked) { a.send(&llm.Result{ID: a.ID, Done: true}) },
		"wrong index":   func(a asked) { a.some(true, func(int) string { return "77" }, 3, 4, 1023) },
	} {
		t.Log(name)
		before := len(p.seen())
		first.Store(&do)
		s.open()
		s.complete()
		s.answered(h)
		require.Len(t, p.seen(), before+2)
		s.close(nil)
	}
}

// The same index twice, in one result or in two, counts once; what comes after Done is nobody's.
func TestDuplicateResults(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	s.proxy(func(a asked) {
		wrong := func(int) string { return "99" }
		a.send(&llm.Result{
			ID: a.ID, Index: []uint32{0, 0}, Text: []string{text(a)(0), "99"}, TokensIn: make([]uint32, 2), TokensOut: make([]uint32, 2), Retries: make([]uint8, 2),
		})
		a.some(false, wrong, 0)
		a.some(true, text(a), 1, 2)
		a.some(true, wrong, 0, 1, 2)
	})
	s.create(guess(3, ""), 3, 3, h)
	s.open()
	s.complete()
	s.answered(h)
	require.EqualValues(t, 3, s.fold.Asked)
	require.Equal(t, []uint8{1, 1, 1}, s.last.Calls)
}

// Results that come one by one are taken in their order: none is still waiting when the request is said to be done.
func TestManySmallResults(t *testing.T) {
	s := newStage(t)
	calm := quick()
	calm.Lost = time.Minute // it is busy, not lost
	h := s.host(calm)
	s.proxy(func(a asked) {
		for i := range a.Calls {
			a.some(i == len(a.Calls)-1, text(a), i)
		}
	})
	s.create(guess(2048, ""), 2048, 1024, h)
	s.open()
	s.complete()
	s.answered(h)
	require.EqualValues(t, 2048, s.fold.Asked)
}

// Without any proxy the calls wait for one.
func TestNoProxy(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	s.create(guess(3, ""), 3, 3, h)
	s.open()
	s.knows(h, func(r *run) bool { return r.current != nil })
	require.Eventually(t, func() bool { return h.asker.id.Load() >= 3 }, waitFor, pollEvery, "tried again in vain")
	s.proxy(numbers)
	s.complete()
	s.answered(h)
	require.EqualValues(t, 3, s.fold.Asked, "calls that nobody saw are not repeated calls")
}

// A request that is refused, a call that fails for good and a result that cannot be read stop the asking until the run is
// resumed, and the coordinator is told until it has paused the run.
func TestTroubleWithAModel(t *testing.T) {
	columns := func(a asked, r llm.Result) { // encoded by somebody who does not check
		n := len(r.Index)
		tokens := slices.Repeat([]uint32{1}, n)
		data, err := llm.EncodeResult(&llm.Result{ID: a.ID, Done: true, Index: r.Index, Text: r.Text, TokensIn: tokens, TokensOut: make([]uint32, n), Retries: make([]uint8, n)})
		require.NoError(a.proxy.stage, err)
		data = bytes.Replace(data, []byte("\x92\x01\x01"), []byte("\x91\x01"), 1)
		require.NoError(a.proxy.stage, a.proxy.stage.nc.Publish(a.inbox, data))
	}
	s := newStage(t)
	told := s.troubles()
	h := s.host(quick())
	var first atomic.Pointer[func(asked)]
	p := s.proxy(func(a asked) {
		if do := first.Swap(nil); do != nil {
			(*do)(a)
			return
		}
		numbers(a)
	})
	s.create(guess(3, ""), 3, 3, h)
	for name, c := range map[string]struct {
		first func(a asked)
		says  string
		left  int // calls without an answer then
	}{
		"refused": {func(a asked) { a.send(&llm.Result{ID: a.ID, Done: true, Refused: "bad facts"}) }, "bad facts", 3},
		"failed call": {func(a asked) {
			a.send(&llm.Result{
				ID: a.ID, Done: true, Index: []uint32{0, 1, 2}, Text: []string{"13", "", "27"}, Error: []string{"", "HTTP 401: no key", ""},
				TokensIn: make([]uint32, 3), TokensOut: make([]uint32, 3), Retries: make([]uint8, 3),
			})
		}, "HTTP 401: no key", 1},
		"columns of different length": {func(a asked) { columns(a, llm.Result{Index: []uint32{0, 1}, Text: []string{"13", "20"}}) }, "cannot be read", 3},
		"not a result":                {func(a asked) { _ = a.proxy.stage.nc.Publish(a.inbox, []byte("{}")) }, "cannot be read", 3},
	} {
		t.Log(name)
		before := len(p.seen())
		first.Store(&c.first)
		s.open()
		for range 2 { // again, as nothing was done about it
			var tr runlog.Trouble
			require.Eventually(t, func() bool {
				select {
				case tr = <-told:
					return true
				default:
					return false
				}
			}, waitFor, pollEvery)
			require.Equal(t, "r1", tr.Run)
			require.Equal(t, h.beat.ID, tr.From)
			require.Contains(t, tr.Reason, "model m: ")
			require.Contains(t, tr.Reason, c.says)
			require.False(t, tr.Fatal)
		}
		s.idle(h)
		s.catchUp()
		require.Equal(t, c.left, s.fold.Left())
		require.Len(t, p.seen(), before+1)
		s.pause()
		s.resume()
		s.complete()
		s.idle(h)
		last := p.seen()[before+1:]
		require.Len(t, last, 1)
		require.Len(t, last[0].Calls, c.left)
		s.close(nil)
		for len(told) > 0 {
			<-told
		}
	}
}

// A prompt that can never be sent, and a template that fails with the world as it is, end the run: resuming would not help.
func TestHopelessRuns(t *testing.T) {
	long := guess(1, "")
	for q := range 70 {
		long += fmt.Sprintf("  - {id: q%d, ask: \"?\", answer: {type: text}}\n", q)
	}
	quoting := strings.Replace(guess(1, "update: {world: {target: \"mean(answers.guess)\"}}\n"), "which number?", "{{if gt .round 1}}{{.world.target}}{{end}}", 1)
	for says, source := range map[string]string{"too large": long, "world.target": quoting} {
		t.Run(says, func(t *testing.T) {
			s := newStage(t)
			told := s.troubles()
			h := s.host(quick())
			reply := strings.Repeat("long ", 13_000)
			s.proxy(func(a asked) {
				a.all(func(int) string {
					if questionOf(t, a.Request) == "guess" {
						return "5"
					}
					return reply
				})
			})
			s.create(source, 1, 1, h)
			s.open()
			if says != "too large" {
				s.complete()
				s.close(map[string]float64{}) // without the target
				s.open()
			}
			tr := <-told
			require.True(t, tr.Fatal)
			require.Contains(t, tr.Reason, says)
			s.idle(h)
			s.pause()
			s.resume()
			for len(told) > 0 {
				<-told
			}
			require.True(t, (<-told).Fatal, "and it is said again")
		})
	}
}

// Whatever proxies do with the calls, every agent is answered exactly once and every place in flight is free again.
func TestAnyInterleaving(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	type step struct {
		kind int
		at   []int
	}
	var script atomic.Pointer[func() step]
	s.proxy(func(a asked) {
		next := *script.Load()
		answered := map[int]bool{}
		for {
			st := next()
			var in []int
			for _, at := range st.at {
				in = append(in, at%len(a.Calls))
				answered[at%len(a.Calls)] = true
			}
			switch st.kind {
			case 0: // some, and go on
				a.some(false, text(a), in...)
				continue
			case 1: // keepalive
				a.send(&llm.Result{ID: a.ID})
				continue
			case 2: // gives up
				a.send(&llm.Result{ID: a.ID, Done: true, Refused: llm.RefusedBusy})
			case 3: // says it is done
				a.some(true, text(a), in...)
			case 4: // nonsense for a partner
				a.some(false, func(int) string { return "98" }, math.MaxUint8)
				continue
			default:
				numbers(a)
			}
			return
		}
	})
	const agents = 20
	s.create(strings.Replace(guess(agents, ""), "rounds: 9", "rounds: 100000", 1), agents, 7, h)
	rapid.Check(t, func(rt *rapid.T) {
		steps := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) step {
			return step{rapid.IntRange(0, 5).Draw(t, "kind"), rapid.SliceOfN(rapid.IntRange(0, agents), 1, 4).Draw(t, "at")}
		}), 0, 6).Draw(rt, "steps")
		pauses := rapid.IntRange(0, 2).Draw(rt, "pauses")
		var at atomic.Int64
		next := func() step {
			i := int(at.Add(1)) - 1
			if i < len(steps) {
				return steps[i]
			}
			return step{kind: 5}
		}
		script.Store(&next)
		s.open()
		for range pauses {
			s.pause()
			s.resume()
		}
		s.complete()
		s.answered(h)
		require.Zero(rt, s.fold.Duplicates)
		s.close(nil)
	})
}
