package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bench"
	"github.com/myriad-sim/myriad/internal/fakevllm"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// play plays a load in this process.
func play(t *testing.T, l Load) (bench.Figures, error) {
	t.Helper()
	text, err := json.Marshal(&l)
	require.NoError(t, err)
	return Child(t.Context(), string(text), new(bytes.Buffer))
}

func serve(t *testing.T, o fakevllm.Options) (*fakevllm.Server, string) {
	t.Helper()
	s, err := fakevllm.New(o)
	require.NoError(t, err)
	t.Cleanup(s.Close)
	url, err := s.Start()
	require.NoError(t, err)
	return s, url
}

// Both direct clients ask what they say they ask.
func TestDirectClients(t *testing.T) {
	for _, kind := range []string{byHTTP, byOwnClient} {
		for _, n := range []int{0, 16} {
			s, url := serve(t, fakevllm.Options{})
			got, err := play(t, Load{Kind: kind, Servers: []string{url}, InFlight: 32, Request: n, For: 50 * time.Millisecond})
			require.NoError(t, err)
			st := s.Stats()
			require.Positive(t, got[Rate])
			require.Equal(t, float64(st.Completions), got[Answered])
			require.Equal(t, st.Requests*uint64(max(1, n)), st.Asked)
			require.LessOrEqual(t, st.MaxInFlight, 32)
		}
	}
}

func TestPacedClient(t *testing.T) {
	_, url := serve(t, fakevllm.Options{PerToken: 10 * time.Millisecond, MaxSeqs: 1000})
	got, err := play(t, Load{Kind: byHTTP, Servers: []string{url}, Rate: 200, Burst: 4, Warm: 50 * time.Millisecond, For: 200 * time.Millisecond})
	require.NoError(t, err)
	require.InDelta(t, 50, got[Sent], 30)
	require.GreaterOrEqual(t, got[P50], 0.02)
}

// Calls that fail make no figures.
func TestDirectClientOfServersThatFail(t *testing.T) {
	for fault, want := range map[fakevllm.Fault]string{
		fakevllm.Internal: "500", fakevllm.Malformed: "JSON", fakevllm.WrongCount: "3 choices for 4", fakevllm.Duplicate: "came twice", fakevllm.NoChoices: "0 choices for 4",
	} {
		f, err := fakevllm.ParseFaults(string(fault) + ":1")
		require.NoError(t, err)
		_, url := serve(t, fakevllm.Options{Faults: f})
		_, err = play(t, Load{Kind: byHTTP, Servers: []string{url}, InFlight: 4, Request: 4, For: time.Millisecond})
		require.ErrorIs(t, err, bench.ErrLost)
		require.ErrorContains(t, err, want)
	}
}

func TestLoadsThatAreNone(t *testing.T) {
	_, err := Child(t.Context(), "nonsense", new(bytes.Buffer))
	require.ErrorIs(t, err, bench.ErrOption)
	_, err = play(t, Load{Kind: "nonsense"})
	require.ErrorIs(t, err, bench.ErrOption)
	_, err = play(t, Load{Kind: byGateway, NATS: "nats://127.0.0.1:1"})
	require.Error(t, err)
}

// A gateway that does not keep its word is found out.
func TestHostFindsOut(t *testing.T) {
	ok := func(h *llm.Head) *llm.Result {
		r := &llm.Result{ID: h.ID, Done: true}
		for i := range h.Count {
			r.Index, r.Text = append(r.Index, uint32(i)), append(r.Text, "42") //nolint:gosec // few
		}
		return r
	}
	for name, c := range map[string]struct {
		answer func(h *llm.Head) []*llm.Result
		want   string
	}{
		"": {func(h *llm.Head) []*llm.Result { return []*llm.Result{{ID: h.ID}, ok(h)} }, ""},
		"twice in a result": {func(h *llm.Head) []*llm.Result {
			r := ok(h)
			r.Index[0] = 1
			return []*llm.Result{r}
		}, "of them twice"},
		"twice": {func(h *llm.Head) []*llm.Result { return []*llm.Result{ok(h), ok(h)} }, "of them twice"},
		"too few": {func(h *llm.Head) []*llm.Result {
			return []*llm.Result{{ID: h.ID, Done: true, Index: []uint32{0}, Text: []string{"1"}}}
		}, "the request is done"},
		"refused": {func(h *llm.Head) []*llm.Result { return []*llm.Result{{ID: h.ID, Done: true, Refused: "bad model"}} }, "bad model"},
		"an error": {func(h *llm.Head) []*llm.Result {
			r := ok(h)
			r.Error = []string{"no such model", "", "", ""}
			r.Text[0] = ""
			return []*llm.Result{r}
		}, "no such model"},
	} {
		t.Run(name, func(t *testing.T) {
			s := natstest.Start(t)
			nc := s.Connect(t)
			_, err := nc.Subscribe(subjects.ChatAll(), func(m *nats.Msg) {
				head, err := llm.ReadHead(m.Data)
				if err != nil {
					return
				}
				for _, r := range c.answer(&head) {
					data, err := llm.EncodeResult(r)
					if err != nil || nc.Publish(m.Reply, data) != nil {
						return
					}
				}
			})
			require.NoError(t, err)
			require.NoError(t, nc.Flush())
			got, err := play(t, Load{Kind: byGateway, NATS: s.URL(), Servers: []string{"http://h/v1"}, InFlight: 8, Request: 4, For: 50 * time.Millisecond})
			if c.want == "" {
				require.NoError(t, err)
				require.Positive(t, got[Rate])
				require.Zero(t, int(got[Sent])%4)
				got, err = play(t, Load{Kind: byGateway, NATS: s.URL(), Request: 2, Rate: 200, Warm: 50 * time.Millisecond, For: 200 * time.Millisecond})
				require.NoError(t, err)
				require.InDelta(t, 50, got[Sent], 30)
				require.Positive(t, got[P50])
				return
			}
			require.ErrorIs(t, err, bench.ErrLost)
			require.ErrorContains(t, err, c.want)
		})
	}
	t.Run("nobody", func(t *testing.T) {
		s := natstest.Start(t)
		_, err := play(t, Load{Kind: byGateway, NATS: s.URL(), InFlight: 1, Request: 1, For: time.Millisecond})
		require.ErrorContains(t, err, errNobody.Error())
	})
}

// The plain design answers in the handler, and with goroutines as many at a time as it is given.
func TestPlainDesign(t *testing.T) {
	for _, places := range []int{0, 3} {
		s, url := serve(t, fakevllm.Options{PerToken: 2 * time.Millisecond})
		n := natstest.Start(t)
		ctx, stop := context.WithCancel(t.Context())
		text, err := json.Marshal(&Load{Kind: asResponder, NATS: n.URL(), Servers: []string{url}, Places: places})
		require.NoError(t, err)
		up, ended := make(chanWriter, 1), make(chan error, 1)
		go func() {
			_, err := Child(ctx, string(text), up)
			ended <- err
		}()
		require.Equal(t, plainUp, <-up)
		got, err := play(t, Load{Kind: byRequests, NATS: n.URL(), InFlight: 6, For: 100 * time.Millisecond})
		require.NoError(t, err)
		require.Equal(t, float64(s.Stats().Completions), got[Answered])
		require.LessOrEqual(t, s.Stats().MaxInFlight, max(1, places))
		stop()
		require.NoError(t, <-ended)
	}
}

type chanWriter chan string

func (c chanWriter) Write(b []byte) (int, error) {
	c <- string(b)
	return len(b), nil
}

// Who is late catches up, so that the rate holds.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		n := 0
		pace(ctx, 100, func() {
			if n++; n == 10 {
				require.NoError(t, wait(ctx, 300*time.Millisecond))
			}
		})
		require.InDelta(t, 100, n, 1)
	})
}
