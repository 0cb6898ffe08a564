package chat

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"golang.org/x/sync/errgroup"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

var model = &scenario.Model{Name: "m/1", Provider: "openai", Endpoints: []string{"http://localhost:1"}, Model: "m/1"}

// proxy is the other side of a call, as the test wants it. handle gets the number of the request, from 1.
type proxy struct {
	t       *testing.T
	nc      *nats.Conn
	handled atomic.Int64
}

func (p *proxy) serve(handle func(n int64, r *llm.Request, reply string)) {
	_, err := p.nc.QueueSubscribe(subjects.ChatAll(), subjects.ChatQueue, func(m *nats.Msg) {
		r, err := llm.DecodeRequest(m.Data)
		if err != nil {
			p.t.Error(err)
			return
		}
		handle(p.handled.Add(1), r, m.Reply)
	})
	require.NoError(p.t, err)
	require.NoError(p.t, p.nc.Flush())
}

func (p *proxy) answer(reply string, r llm.Result) {
	data, err := llm.EncodeResult(&r)
	if err == nil {
		err = p.nc.Publish(reply, data)
	}
	if err != nil {
		p.t.Error(err)
	}
}

func said(id uint64, text string) llm.Result {
	return llm.Result{ID: id, Done: true, Index: []uint32{0}, Text: []string{text}, TokensIn: []uint32{7}, TokensOut: []uint32{2}, Served: "served"}
}

func stage(t *testing.T) (*Caller, *proxy) {
	srv := natstest.Start(t)
	c, err := New(srv.InProcess(t), natstest.Logger(t))
	require.NoError(t, err)
	t.Cleanup(c.Close)
	return c, &proxy{t: t, nc: srv.InProcess(t)}
}

func hello() Ask {
	return Ask{Run: "r1", Model: model, Messages: []llm.Message{{Role: llm.RoleSystem, Content: "be brief"}, {Role: llm.RoleUser, Content: "hello"}}}
}

func TestCompleteSendsAndReads(t *testing.T) {
	c, p := stage(t)
	asked := make(chan *llm.Request, 1)
	p.serve(func(_ int64, r *llm.Request, reply string) {
		asked <- r
		p.answer(reply, llm.Result{ID: r.ID})
		out := said(r.ID, "hi \xff")
		out.Cut = []uint32{0}
		p.answer(reply, out)
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	end, _ := ctx.Deadline()
	got, err := c.Complete(ctx, hello())
	require.NoError(t, err)
	require.Equal(t, Completion{Text: "hi \uFFFD", Cut: true, TokensIn: 7, TokensOut: 2, Served: "served"}, got)

	r := <-asked
	var sent scenario.Model
	require.NoError(t, msgpack.Unmarshal(r.Model, &sent))
	require.Equal(t, *model, sent)
	require.Equal(t, "r1", r.Run)
	require.Equal(t, llm.PurposeInterview, r.Purpose)
	require.Equal(t, end.UnixMilli(), r.Deadline)
	require.Len(t, r.Calls, 1)
	require.Equal(t, hello().Messages, r.Calls[0].Messages)
}

func TestManyCallsAtOnce(t *testing.T) {
	c, p := stage(t)
	p.serve(func(_ int64, r *llm.Request, reply string) {
		p.answer(reply, said(r.ID, "re: "+r.Calls[0].Messages[0].Content))
	})
	const calls = 2000
	var group errgroup.Group
	for i := range calls {
		group.Go(func() error {
			text := fmt.Sprint(i)
			got, err := c.Complete(t.Context(), Ask{Run: "r1", Model: model, Messages: []llm.Message{{Role: llm.RoleUser, Content: text}}})
			if err == nil && got.Text != "re: "+text {
				err = fmt.Errorf("asked %s, got %s", text, got.Text)
			}
			return err
		})
	}
	require.NoError(t, group.Wait())
	require.Equal(t, int64(calls), p.handled.Load())
	require.Empty(t, c.open)
	require.Equal(t, 1, c.nc.NumSubscriptions())
}

func TestWhatGoesOutAgain(t *testing.T) {
	for name, first := range map[string]func(p *proxy, id uint64, reply string){
		"busy": func(p *proxy, id uint64, reply string) {
			p.answer(reply, llm.Result{ID: id, Done: true, Refused: llm.RefusedBusy})
		},
		"short":                       func(p *proxy, id uint64, reply string) { p.answer(reply, llm.Result{ID: id, Done: true}) },
		"silent":                      func(*proxy, uint64, string) {},
		"silent after a sign of life": func(p *proxy, id uint64, reply string) { p.answer(reply, llm.Result{ID: id}) },
	} {
		t.Run(name, func(t *testing.T) {
			c, p := stage(t)
			c.lost = 300 * time.Millisecond
			p.serve(func(n int64, r *llm.Request, reply string) {
				if n == 1 {
					first(p, r.ID, reply)
					return
				}
				p.answer(reply, said(r.ID, "at last"))
			})
			got, err := c.Complete(t.Context(), hello())
			require.NoError(t, err)
			require.Equal(t, "at last", got.Text)
			require.Equal(t, int64(2), p.handled.Load())
		})
	}
}

func TestSignsOfLifeAreWaitedFor(t *testing.T) {
	c, p := stage(t)
	c.lost = 200 * time.Millisecond
	p.serve(func(_ int64, r *llm.Request, reply string) {
		tick := time.NewTicker(c.lost / 10)
		defer tick.Stop()
		for range 30 {
			<-tick.C
			p.answer(reply, llm.Result{ID: r.ID})
		}
		p.answer(reply, said(r.ID, "slowly"))
	})
	got, err := c.Complete(t.Context(), hello())
	require.NoError(t, err)
	require.Equal(t, "slowly", got.Text)
	require.Equal(t, int64(1), p.handled.Load())
}

func TestErrorsOfModels(t *testing.T) {
	for name, c := range map[string]struct {
		answer llm.Result
		want   error
		text   string
	}{
		"budget":   {llm.Result{Done: true, Refused: llm.RefusedBudget + "5 of 5 tokens"}, ErrBudget, "5 of 5 tokens"},
		"refused":  {llm.Result{Done: true, Refused: "bad model"}, ErrRefused, "bad model"},
		"failed":   {llm.Result{Done: true, Index: []uint32{0}, Text: []string{""}, Error: []string{"500"}}, ErrFailed, "500"},
		"rejected": {llm.Result{Done: true, Index: []uint32{0}, Text: []string{""}, Error: []string{"too long"}, Rejected: []uint32{0}}, ErrRejected, "too long"},
	} {
		t.Run(name, func(t *testing.T) {
			caller, p := stage(t)
			p.serve(func(_ int64, r *llm.Request, reply string) {
				out := c.answer
				out.ID = r.ID
				p.answer(reply, out)
			})
			_, err := caller.Complete(t.Context(), hello())
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.text)
			require.Equal(t, int64(1), p.handled.Load(), "asking again is no use")
		})
	}
}

func TestWithoutAProxy(t *testing.T) {
	c, p := stage(t)
	c.absent = 100 * time.Millisecond
	_, err := c.Complete(t.Context(), hello())
	require.ErrorIs(t, err, wire.ErrUnavailable)

	c.absent = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err = c.Complete(ctx, hello())
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.ErrorIs(t, err, errNoProxy, "it says what was waited for")

	var group errgroup.Group
	group.Go(func() error {
		_, err := c.Complete(t.Context(), hello())
		return err
	})
	p.serve(func(_ int64, r *llm.Request, reply string) { p.answer(reply, said(r.ID, "here")) })
	require.NoError(t, group.Wait(), "it is there now")
}

func TestWhatCannotBeSent(t *testing.T) {
	c, p := stage(t)
	p.serve(func(_ int64, _ *llm.Request, reply string) { _ = p.nc.Publish(reply, []byte("nonsense")) })
	_, err := c.Complete(t.Context(), Ask{Run: "r1", Model: &scenario.Model{Name: "k", Provider: "levelk"}})
	require.ErrorIs(t, err, wire.ErrBadRequest)
	big := hello()
	big.Messages[1].Content = strings.Repeat("x", llm.MaxBytes)
	_, err = c.Complete(t.Context(), big)
	require.ErrorIs(t, err, wire.ErrTooLarge)
	_, err = c.Complete(t.Context(), hello())
	require.ErrorIs(t, err, wire.ErrUnavailable)
	require.ErrorContains(t, err, "cannot be read")
}

func TestCloseEndsWhatWaits(t *testing.T) {
	c, p := stage(t)
	asked := make(chan struct{})
	p.serve(func(int64, *llm.Request, string) { close(asked) })
	var group errgroup.Group
	group.Go(func() error {
		_, err := c.Complete(t.Context(), hello())
		return err
	})
	<-asked
	c.Close()
	require.ErrorIs(t, group.Wait(), wire.ErrStopped)
	_, err := c.Complete(t.Context(), hello())
	require.ErrorIs(t, err, wire.ErrStopped)
}

// Silence proves nothing while the connection is down: the call that was paid for is not made again.
func TestSilenceWithoutAConnectionIsNoSilence(t *testing.T) {
	srv := natstest.Start(t)
	c, err := New(srv.InProcess(t), natstest.Logger(t))
	require.NoError(t, err)
	defer c.Close()
	c.lost = 400 * time.Millisecond
	p := &proxy{t: t, nc: srv.InProcess(t)}
	inbox := make(chan string, 1)
	id := make(chan uint64, 1)
	p.serve(func(_ int64, r *llm.Request, reply string) { id <- r.ID; inbox <- reply })
	var group errgroup.Group
	group.Go(func() error {
		_, err := c.Complete(t.Context(), hello())
		return err
	})
	asked, reply := <-id, <-inbox
	srv.Kill(t)
	require.Eventually(t, func() bool { return !c.nc.IsConnected() }, 5*time.Second, time.Millisecond)
	timer := time.NewTimer(3 * c.lost)
	<-timer.C
	srv.Restart(t)
	require.Eventually(t, func() bool { return c.nc.IsConnected() && p.nc.IsConnected() }, 10*time.Second, time.Millisecond)
	require.NoError(t, c.nc.Flush())
	p.answer(reply, said(asked, "kept"))
	require.NoError(t, group.Wait())
	require.Equal(t, int64(1), p.handled.Load())
}
