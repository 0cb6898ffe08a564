package hubs_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/hub"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// model is what a hub should be.
type model struct {
	exists bool
	in     []subjects.Address // in the order in which they joined
	said   []string
}

// Two servers that share the verbs of a hub at random behave as one that has a list of participants and a list of words.
func TestTwoServersAreOneModel(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv)
	serve(t, srv)
	c := client{srv.Connect(t), "r"}
	everyone := make([]subjects.Address, 5)
	for i := range everyone {
		everyone[i] = subjects.CodeAddress(fmt.Sprint("h", i%2), fmt.Sprint("p", i))
	}
	round, begun := 0, time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if round++; time.Since(begun) > 1500*time.Millisecond {
			return // as many as there is time for
		}
		name := fmt.Sprint("hub", round)
		h, err := hub.Open(t.Context(), c, name)
		require.NoError(rt, err)
		m := model{exists: true}
		refused := func(err error) bool {
			if m.exists {
				require.NoError(rt, err)
			} else {
				require.ErrorIs(rt, err, hub.ErrNoHub)
			}
			return !m.exists
		}
		who := func() subjects.Address { return rapid.SampledFrom(everyone).Draw(rt, "who") }
		some := func() []subjects.Address {
			return rapid.SliceOfN(rapid.SampledFrom(everyone), 1, 4).Draw(rt, "some")
		}
		rt.Repeat(map[string]func(*rapid.T){
			"create": func(rt *rapid.T) {
				_, err := hub.Open(t.Context(), c, name)
				require.NoError(rt, err)
				if !m.exists {
					m = model{exists: true}
				}
			},
			"add": func(*rapid.T) {
				list := some()
				seqs, err := h.Add(t.Context(), list...)
				if refused(err) {
					return
				}
				before := len(m.in)
				for _, a := range list {
					if !slices.Contains(m.in, a) {
						m.in = append(m.in, a)
					}
				}
				require.Len(rt, seqs, len(m.in)-before)
			},
			"delete": func(*rapid.T) {
				list := some()
				_, err := h.Delete(t.Context(), list...)
				if refused(err) {
					return
				}
				m.in = slices.DeleteFunc(m.in, func(a subjects.Address) bool { return slices.Contains(list, a) })
			},
			"broadcast": func(rt *rapid.T) {
				a, word := who(), fmt.Sprint("word", len(m.said))
				_, err := h.As(a).Broadcast(t.Context(), text(word))
				if m.exists && !slices.Contains(m.in, a) {
					require.ErrorIs(rt, err, hub.ErrNotIn)
					return
				}
				if !refused(err) {
					m.said = append(m.said, word)
				}
			},
			"announce": func(*rapid.T) {
				word := fmt.Sprint("word", len(m.said))
				if _, err := h.Announce(t.Context(), text(word), text(word)); !refused(err) {
					m.said = append(m.said, word, word)
				}
			},
			"close": func(*rapid.T) {
				if !refused(h.Close(t.Context())) {
					m = model{}
				}
			},
			"": func(rt *rapid.T) {
				in, err := h.Participants(t.Context())
				if refused(err) {
					return
				}
				var got []subjects.Address
				for _, p := range in {
					got = append(got, p.Address)
				}
				require.True(rt, slices.Equal(m.in, got), "%v, not %v", got, m.in)
				_, texts := history(t, h, 0)
				require.True(rt, slices.Equal(m.said, texts), "%v, not %v", texts, m.said)
			},
		})
		if m.exists {
			require.NoError(rt, h.Close(context.Background()))
		}
	})
}
