package agent_test

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Who gets an answer and then asks a listener asks one who has heard it; and everybody hears everything once, in order.
func TestAnAudienceHears(t *testing.T) {
	s := newStage(t)
	s.host("h1", agent.NewRegistry())
	s.host("h2", agent.NewRegistry())
	speaker := s.create("h1", "speaker", "dialog", `{"lines":["one","two","three"],"audience":["code.h2.near","code.h1.far","code.h1.speaker"]}`)
	near := s.create("h2", "near", "dialog", `{"lines":["yes"]}`)
	far := s.create("h1", "far", "dialog", `{"lines":["yes"]}`)
	var want []string
	for _, line := range []string{"one", "two", "three"} {
		_, err := s.client.Reply(t.Context(), speaker)
		require.NoError(t, err)
		_, err = s.client.Reply(t.Context(), near, say("me", "heard?"))
		require.NoError(t, err)
		want = append(want, "speaker: "+line, "me: heard?", "near: yes")
		require.Equal(t, want, s.remembered(near))
	}
	_, err := s.client.Interview(t.Context(), speaker)
	require.NoError(t, err)
	_, err = s.client.Reply(t.Context(), far)
	require.NoError(t, err)
	require.Equal(t, []string{"speaker: one", "speaker: two", "speaker: three", "far: yes"}, s.remembered(far), "nobody hears an interview")
	require.Equal(t, []string{"speaker: one", "speaker: two", "speaker: three"}, s.remembered(speaker))
}

// Agents who listen to each other, all asked at once, do not wait for each other.
func TestAudiencesOfEachOther(t *testing.T) {
	s := newStage(t)
	s.host("h", agent.NewRegistry())
	const agents, times = 6, 20
	audience := ""
	for i := range agents {
		audience += fmt.Sprintf(`,"code.h.%d"`, i)
	}
	var all []subjects.Address
	for i := range agents {
		all = append(all, s.create("h", fmt.Sprint(i), "dialog", fmt.Sprintf(`{"lines":["%d"],"audience":[%s]}`, i, audience[1:])))
	}
	var group errgroup.Group
	for _, a := range all {
		group.Go(func() error {
			for range times {
				if _, err := s.client.Reply(t.Context(), a); err != nil {
					return err
				}
			}
			return nil
		})
	}
	require.NoError(t, group.Wait())
	for _, a := range all {
		require.Eventually(t, func() bool {
			state, err := s.client.State(t.Context(), a)
			require.NoError(t, err)
			var has struct {
				Length int `json:"memory_length"`
			}
			require.NoError(t, state.Content.Decode(&has))
			require.LessOrEqual(t, has.Length, agents*times)
			return has.Length == agents*times
		}, waitFor, pollEvery)
	}
}

func TestAListenerIsToldAgain(t *testing.T) {
	s := newStage(t)
	var times atomic.Int64
	o := s.outsider("o", func(string, wire.Request) (msg.Msg, error) {
		if times.Add(1) == 1 {
			return msg.Msg{}, agent.ErrStopped
		}
		return msg.Msg{}, nil
	})
	m := say("me", "hello")
	require.NoError(t, s.client.As("code.h.me").Tell([]subjects.Address{o.address, subjects.CodeAddress("nowhere", "a")}, m))
	require.Eventually(t, func() bool { return times.Load() == 2 }, waitFor, pollEvery)
	for _, r := range o.requests() {
		require.Equal(t, subjects.VerbObserve, r.verb)
		require.Equal(t, "told:"+m.ID, r.ID, "so that it is heard once")
		require.EqualValues(t, "code.h.me", r.Sender)
		require.Equal(t, []string{"me: hello"}, texts(r.Msgs))
	}
	s.client.Close()
	require.Equal(t, int64(2), times.Load())
	require.ErrorIs(t, s.client.Tell([]subjects.Address{o.address}, m), agent.ErrStopped)
}

func TestWhatCannotBeTold(t *testing.T) {
	s := newStage(t)
	o := s.outsider("o", func(string, wire.Request) (msg.Msg, error) { return msg.Msg{}, nil })
	to := []subjects.Address{o.address}
	require.ErrorIs(t, s.client.Tell(to, msg.Msg{}), agent.ErrBadRequest)
	require.ErrorIs(t, s.client.Tell(to, msg.New("", "boss", msg.Text("x"))), agent.ErrBadRequest)
	require.ErrorIs(t, s.client.Tell(to, msg.New("", "", msg.Text(string(make([]byte, msg.MaxSize))))), agent.ErrTooLarge)
	require.ErrorIs(t, s.client.Tell(append(to, "nowhere"), say("", "x")), agent.ErrBadRequest)
	require.NoError(t, s.client.Tell(nil, msg.Msg{}))
	_, err := s.client.State(t.Context(), o.address)
	require.NoError(t, err)
	require.Len(t, o.requests(), 1, "nobody was told")
}
