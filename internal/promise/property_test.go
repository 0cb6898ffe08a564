package promise_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// model is what should become of the promises of a test: plain Go.
type model struct {
	outcomes []*modelOutcome // nil: not yet
}

type modelOutcome struct {
	text string
	err  error
	next int // of a promise; else -1
}

// follow is the end of the way from a promise: an outcome, nil for one that is open, or a cycle.
func (m *model) follow(i int) (at int, out *modelOutcome) {
	seen := map[int]bool{}
	for {
		if seen[i] {
			return i, &modelOutcome{err: wire.ErrCycle}
		}
		seen[i] = true
		if o := m.outcomes[i]; o == nil || o.next < 0 {
			return i, o
		}
		i = m.outcomes[i].next
	}
}

func TestAnyInterleavingEndsAsThePlainModelSays(t *testing.T) {
	s := natstest.Start(t)
	p := producer(t, s.Connect(t), "i1", generous)
	holders := []*promise.Holder{holder(t, s.Connect(t)), holder(t, s.Connect(t))}
	rapid.Check(t, func(t *rapid.T) {
		var m model
		var promises []msg.Msg
		var tasks []*promise.Task
		waiting := map[int][]<-chan result{}
		pick := func(t *rapid.T) int {
			if len(tasks) == 0 {
				t.Skip("no promise")
			}
			return rapid.IntRange(0, len(tasks)-1).Draw(t, "which")
		}
		somebody := func(t *rapid.T) *promise.Holder { return rapid.SampledFrom(holders).Draw(t, "who") }
		end := func(i int, o modelOutcome) {
			if m.outcomes[i] == nil {
				m.outcomes[i] = &o
			}
		}
		add := func(t *rapid.T, expires time.Time) {
			ph, task, err := p.Begin("r", expires)
			require.NoError(t, err)
			promises, tasks = append(promises, msg.Promise("x", ph)), append(tasks, task)
			m.outcomes = append(m.outcomes, nil)
		}
		check := func(t *rapid.T, i int, r result) {
			_, want := m.follow(i)
			if want.err != nil {
				require.ErrorIs(t, r.err, want.err, "promise %d", i)
				return
			}
			require.NoError(t, r.err, "promise %d", i)
			require.Equal(t, want.text, r.out.Content.String(), "promise %d", i)
		}
		t.Repeat(map[string]func(*rapid.T){
			"begin": func(t *rapid.T) { add(t, time.Time{}) },
			"expire": func(t *rapid.T) {
				add(t, time.Now().Add(time.Millisecond))
				i := len(tasks) - 1
				<-tasks[i].Cancelled()
				end(i, modelOutcome{err: wire.ErrDeadline, next: -1})
			},
			"finish": func(t *rapid.T) {
				i := pick(t)
				said := fmt.Sprint("value of ", i)
				tasks[i].Finish(text(said), nil)
				end(i, modelOutcome{text: said, next: -1})
			},
			"fail": func(t *rapid.T) {
				i := pick(t)
				tasks[i].Finish(msg.Msg{}, wire.ErrNoHub)
				end(i, modelOutcome{err: wire.ErrNoHub, next: -1})
			},
			"hand on": func(t *rapid.T) {
				i, to := pick(t), pick(t)
				tasks[i].Finish(promises[to], nil)
				end(i, modelOutcome{next: to})
			},
			"resolve": func(t *rapid.T) {
				i := pick(t)
				waiting[i] = append(waiting[i], resolve(t.Context(), somebody(t), 1, promises[i]))
			},
			"cancel": func(t *rapid.T) {
				i := pick(t)
				err := somebody(t).Cancel(t.Context(), promises[i])
				at, out := m.follow(i)
				if out != nil && errors.Is(out.err, wire.ErrCycle) {
					require.ErrorIs(t, err, wire.ErrCycle)
					return
				}
				require.NoError(t, err)
				end(at, modelOutcome{err: wire.ErrCancelled, next: -1})
			},
		})
		for i, task := range tasks {
			task.Finish(text("left"), nil)
			end(i, modelOutcome{text: "left", next: -1})
		}
		for i, all := range waiting {
			for _, results := range all {
				select {
				case r := <-results:
					check(t, i, r)
				case <-time.After(long):
					require.FailNow(t, "somebody still waits")
				}
			}
		}
		for i := range promises {
			out, err := holders[0].Resolve(t.Context(), promises[i])
			check(t, i, result{out, err})
		}
	})
}
