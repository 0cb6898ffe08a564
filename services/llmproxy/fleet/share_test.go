package fleet

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
)

// same is a spec that shares equal calls.
func (s *stage) same() *Spec {
	spec := s.spec()
	spec.ShareIdentical = true
	return spec
}

func TestEqualCallsAreAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{before: after(time.Second)}
		s := play(t, config(), srv)
		defer s.Stop()
		texts := make([]string, 1000)
		for i := range texts {
			texts[i] = fmt.Sprint("q", i%10)
		}
		agents := func(q *Request) { q.Agent = func(i int) uint64 { return uint64(500 + i) } }
		r := s.ask(s.same(), texts, agents)
		while := s.ask(s.same(), texts[:5], agents)
		r.wait()
		while.wait()
		later := s.ask(s.same(), texts[:20], agents).wait()
		require.Len(t, srv.order(), 10)
		require.Equal(t, replies(texts), r.texts())
		for i, c := range r.done {
			if i < 10 {
				require.Zero(t, c.Shared)
				require.Positive(t, c.TokensIn)
				continue
			}
			require.Equal(t, uint64(500+i%10+1), c.Shared, "the agent whose call was asked")
			require.Zero(t, c.TokensIn+c.TokensOut)
			require.False(t, c.Apportioned)
		}
		require.Equal(t, replies(texts[:5]), while.texts())
		require.Equal(t, replies(texts[:20]), later.texts())
		for _, c := range append(while.done, later.done...) {
			require.NotZero(t, c.Shared)
		}
		require.EqualValues(t, 990+5+20, s.book.total().Shared)
		require.EqualValues(t, 1000+5+20, s.book.total().Calls)
	})
}

// What the model gets to read decides what is equal, and whose run it is.
func TestWhatIsNotEqualIsAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{}
		s := play(t, config(), srv)
		defer s.Stop()
		spec := s.same()
		ask := func(spec *Spec, change ...func(*Request)) { s.ask(spec, []string{"q"}, change...).wait() }
		ask(spec)
		ask(spec, func(q *Request) { q.Agent = func(int) uint64 { return 9 }; q.Round = 2 })
		require.Len(t, srv.order(), 1)
		ask(spec, run("other"))
		ask(spec, system("be brief"))
		ask(spec, func(q *Request) {
			q.Messages = func(int) []llm.Message { return []llm.Message{{Role: llm.RoleAssistant, Content: "q"}} }
		})
		ask(spec, func(q *Request) {
			q.Messages = func(int) []llm.Message {
				return []llm.Message{{Role: llm.RoleUser, Content: "q", Parts: []byte(`[{"type":"image_url"}]`)}}
			}
		})
		ask(spec, func(q *Request) {
			q.Messages = func(int) []llm.Message { return []llm.Message{{Role: "use", Content: "rq"}} }
		})
		hot := s.same()
		hot.Params.MaxTokens++
		ask(hot)
		require.Len(t, srv.order(), 7)
		ask(s.spec())
		require.Len(t, srv.order(), 8, "only where it is wanted")
	})
}

func TestThoseThatShareFailTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{before: func(ctx context.Context, _ asked) error {
			if err := pass(ctx, time.Second); err != nil {
				return err
			}
			return oops(modelserver.Rejected, "no")
		}}
		s := play(t, config(), srv)
		defer s.Stop()
		r := s.ask(s.same(), []string{"q", "q", "q"}).wait()
		require.Len(t, srv.order(), 1)
		require.Equal(t, 3, r.count(func(c Completion) bool { return c.Err == "no" && c.Rejected }))
		s.ask(s.same(), []string{"q"}).wait()
		require.Len(t, srv.order(), 2, "a failure is not kept")
		require.Zero(t, s.book.total().Shared)
	})
}

// A call that is given up for its own reasons does not take others with it.
func TestTheLeadIsPassedOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := slow()
		s := play(t, config(), srv)
		defer s.Stop()
		spec := s.same()
		spec.Concurrency = 1
		s.ask(spec, numbered("before", 5))
		hasty := s.ask(spec, []string{"q"}, func(q *Request) { q.Deadline = time.Now().Add(500 * time.Millisecond) })
		r := s.ask(spec, []string{"q", "q"})
		r.wait()
		require.Contains(t, hasty.done[0].Err, "deadline")
		require.Equal(t, []string{"re: q", "re: q"}, r.texts())
		require.Equal(t, uint64(1), r.done[1].Shared)
	})
}

func TestRememberedAnswersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		long := strings.Repeat("x", 1<<20)
		srv := &scripted{answer: func(context.Context, string) (modelserver.Completion, error) {
			return modelserver.Completion{Text: long}, nil
		}}
		s := play(t, config(), srv)
		defer s.Stop()
		s.ask(s.same(), numbered("q", 100)).wait()
		s.mu.Lock()
		require.LessOrEqual(t, s.shares["r1"].bytes, keepBytes)
		require.InDelta(t, 63, len(s.shares["r1"].answers), 1)
		require.Equal(t, len(s.shares["r1"].answers), s.shares["r1"].byUse.Len())
		s.mu.Unlock()
		time.Sleep(3 * time.Minute) //nolint:forbidigo // of synctest's time
		s.mu.Lock()
		require.Empty(t, s.shares, "a run that asks no more is forgotten")
		s.mu.Unlock()
	})
}
