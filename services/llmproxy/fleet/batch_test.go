package fleet

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
)

func TestABatchEndpointIsFoundAndUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{before: after(time.Second)}
		s := play(t, config(), srv)
		defer s.Stop()
		texts := numbered("q", 1000)
		spec := s.spec()
		spec.Params.MaxTokens = 0
		r := s.ask(spec, texts).wait()
		require.Equal(t, replies(texts), r.texts())
		batches, singles, inBatches := 0, 0, 0
		for i, q := range srv.requests() {
			if !q.batch {
				singles++
				continue
			}
			batches++
			inBatches += len(q.texts)
			require.Equal(t, 2048, q.params.MaxTokens, "the longest answer of a batch is bounded")
			if i == 0 {
				require.True(t, q.batch, "the first request finds out")
			}
		}
		require.LessOrEqual(t, singles, 48, "only while it is found out")
		require.Less(t, batches, 60)
		require.Equal(t, 1000, singles+inBatches)
		require.GreaterOrEqual(t, srv.mostOpen, 4, "the server does not run dry while a batch waits for its last conversation")
		require.Equal(t, 0, r.retried)
		for _, c := range r.done {
			require.Equal(t, []uint32{10, 3}, []uint32{c.TokensIn, c.TokensOut})
			require.Equal(t, "served", c.Served)
		}
		require.Equal(t, inBatches, r.count(func(c Completion) bool { return c.Apportioned }))
	})
}

func TestAServerWithoutABatchEndpointGetsSingleCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{before: lacking}
		s := play(t, config(), srv)
		defer s.Stop()
		texts := numbered("q", 500)
		r := s.ask(s.spec(), texts).wait()
		require.Equal(t, replies(texts), r.texts())
		batches := 0
		for _, q := range srv.requests() {
			if q.batch {
				batches++
			}
		}
		require.Equal(t, 1, batches, "asked once")
		require.Zero(t, r.retried, "what the server lacks is no failure")
		require.Zero(t, s.book.total().Retries)
		require.Zero(t, r.count(func(c Completion) bool { return c.Apportioned || c.Retries > 0 }))
	})
}

// One conversation that the server refuses fails alone, however large the batch was.
func TestABadConversationFailsAlone(t *testing.T) {
	for _, kind := range []modelserver.Kind{modelserver.Rejected, modelserver.Malformed, modelserver.Failing} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv := &scripted{before: func(_ context.Context, a asked) error {
					if slices.Contains(a.texts, "q77") {
						return oops(kind, "what is this")
					}
					return nil
				}}
				cfg := config()
				cfg.BreakerFailures = 1000
				cfg.Concurrency = 1024
				s := play(t, cfg, srv)
				defer s.Stop()
				texts := numbered("q", 256)
				r := s.ask(s.spec(), texts).wait()
				for i, c := range r.done {
					if i != 77 {
						require.Equal(t, "re: "+texts[i], c.Text)
						continue
					}
					require.Contains(t, c.Err, "what is this")
					require.Equal(t, kind == modelserver.Rejected, c.Rejected)
					require.GreaterOrEqual(t, c.Retries, 8, "the batch was halved eight times")
				}
				require.Less(t, len(srv.requests()), 45)
				last := srv.requests()
				single := slices.IndexFunc(last, func(a asked) bool { return !a.batch && slices.Equal(a.texts, []string{"q77"}) })
				require.GreaterOrEqual(t, single, 0, "at last it was asked alone")
			})
		})
	}
}

// A content filter that speaks of one conversation does not make others be asked again.
func TestAConversationsOwnErrorIsItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen atomic.Int64
		srv := &scripted{answer: func(_ context.Context, text string) (modelserver.Completion, error) {
			switch text {
			case "q3":
				return modelserver.Completion{Err: oops(modelserver.Rejected, "withheld"), TokensIn: 5}, nil
			case "q4":
				if seen.Add(1) == 1 {
					return modelserver.Completion{Err: oops(modelserver.Malformed, "empty")}, nil
				}
			}
			return modelserver.Completion{Text: "fine"}, nil
		}}
		s := play(t, config(), srv)
		defer s.Stop()
		r := s.ask(s.spec(), numbered("q", 8)).wait()
		require.True(t, r.done[3].Rejected)
		require.Equal(t, "withheld", r.done[3].Err)
		require.Equal(t, "fine", r.done[4].Text)
		require.Equal(t, 1, r.done[4].Retries)
		require.Equal(t, 7, r.count(func(c Completion) bool { return c.Text == "fine" }))
		require.Len(t, srv.requests(), 2)
	})
}

// A server that refuses every batch and no call by itself is better off without batches.
func TestBatchesThatNeverGoWellAreGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{before: func(ctx context.Context, a asked) error {
			if a.batch {
				return oops(modelserver.Rejected, "unknown field")
			}
			return pass(ctx, time.Second)
		}}
		s := play(t, config(), srv)
		defer s.Stop()
		r := s.ask(s.spec(), numbered("q", 1000)).wait()
		require.Equal(t, 1000, r.count(func(c Completion) bool { return c.Err == "" }))
		batches := 0
		for _, q := range srv.requests() {
			if q.batch {
				batches++
			}
		}
		require.Less(t, batches, 30)
	})
}

func TestAnOverloadedBatchWaitsWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		srv := &scripted{before: func(context.Context, asked) error {
			if n.Add(1) == 1 {
				return &modelserver.Error{Kind: modelserver.Overloaded, Text: "later", After: 7 * time.Second}
			}
			return nil
		}}
		s := play(t, config(), srv)
		defer s.Stop()
		r := s.ask(s.spec(), numbered("q", 8)).wait()
		got := srv.requests()
		require.Len(t, got, 2)
		require.Equal(t, got[0].texts, got[1].texts)
		require.GreaterOrEqual(t, got[1].at.Sub(got[0].at), 7*time.Second)
		require.Equal(t, 8, r.count(func(c Completion) bool { return c.Retries == 1 && c.Err == "" }))
	})
}

// One slow conversation holds up a batch. After that its calls go one by one, and it alone is waited for.
func TestCallsOfABatchThatTookTooLongGoAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{before: func(ctx context.Context, a asked) error {
			switch {
			case a.batch:
				return pass(ctx, 15*time.Second)
			case a.texts[0] == "q3":
				return pass(ctx, 8*time.Second)
			}
			return pass(ctx, time.Second)
		}}
		s := play(t, config(), srv)
		defer s.Stop()
		spec := s.spec()
		spec.Timeout = 10 * time.Second
		r := s.ask(spec, numbered("q", 8))
		time.Sleep(13 * time.Second) //nolint:forbidigo // of synctest's time
		require.Equal(t, 7, r.count(func(c Completion) bool { return c.Err == "" && c.Retries == 1 }))
		r.wait()
		require.Equal(t, 8, r.count(func(c Completion) bool { return c.Err == "" && c.Retries == 1 }))
		for _, q := range srv.requests()[1:] {
			require.False(t, q.batch)
		}
	})
}

func TestABatchLingersForMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{before: after(4 * time.Second)}
		cfg := config()
		cfg.Concurrency = 4096
		s := play(t, cfg, srv)
		defer s.Stop()
		began := time.Now()
		s.ask(s.spec(), numbered("first", 2)).wait()
		require.Equal(t, 4*time.Second, time.Since(began), "an idle endpoint gets its calls at once")
		a := s.ask(s.spec(), numbered("a", 10)) // goes at once
		synctest.Wait()
		b := s.ask(s.spec(), numbered("b", 10)) // waits for company
		synctest.Wait()
		require.Len(t, srv.requests(), 2)
		c := s.ask(s.spec(), numbered("c", 10))
		a.wait()
		b.wait()
		c.wait()
		got := srv.requests()
		require.Len(t, got, 3)
		require.Len(t, got[2].texts, 20)
		require.Equal(t, 2*time.Millisecond, got[2].at.Sub(got[1].at))
	})
}

// Calls of similar length go together.
func TestSimilarLengthsShareABatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{before: after(time.Second)}
		s := play(t, config(), srv)
		defer s.Stop()
		texts := numbered("q", 64)
		for i := range texts {
			if i%2 == 0 {
				texts[i] += strings.Repeat(" and", 1000)
			}
		}
		s.ask(s.spec(), texts).wait()
		mixed := 0
		for _, q := range srv.requests() {
			short := slices.ContainsFunc(q.texts, func(s string) bool { return len(s) < 100 })
			long := slices.ContainsFunc(q.texts, func(s string) bool { return len(s) > 100 })
			if short && long {
				mixed++
			}
		}
		require.LessOrEqual(t, mixed, 1)
	})
}

// A few follow-ups do not wait for each other; very many share batches as first asks do.
func TestFewFollowUpsGoAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{}
		s := play(t, config(), srv)
		defer s.Stop()
		s.ask(s.spec(), numbered("q", 100)).wait()
		before := len(srv.requests())
		s.ask(s.spec(), numbered("again", 5), purpose(llm.PurposeReask)).wait()
		require.Len(t, srv.requests(), before+5)
		before += 5
		s.ask(s.spec(), numbered("many", 1000), purpose(llm.PurposeExtract)).wait()
		require.Less(t, len(srv.requests()), before+200)
	})
}

// The size of batches follows what it does: a server whose batches wait long for their last conversation gets smaller
// ones, a server that likes large ones keeps them.
func TestBatchesFindTheirSize(t *testing.T) {
	size := func(t *testing.T, own int, took func(n int) time.Duration) (last int) {
		synctest.Test(t, func(t *testing.T) {
			srv := &scripted{before: func(ctx context.Context, a asked) error { return pass(ctx, took(len(a.texts))) }}
			cfg := config()
			cfg.MaxConcurrency = 512
			cfg.Concurrency = 512
			s := play(t, cfg, srv)
			defer s.Stop()
			spec := s.spec()
			spec.Concurrency = own
			for range 40 {
				s.ask(spec, numbered("q", 1000), run("r"))
			}
			s.ask(spec, numbered("q", 1000), run("r")).wait()
			sum, n := 0, 0
			got := srv.requests()
			for _, q := range got[len(got)/2:] {
				sum += len(q.texts)
				n++
			}
			last = sum / n
		})
		return last
	}
	for name, own := range map[string]int{"places of ours": 0, "places that the model says": 512} {
		t.Run(name, func(t *testing.T) {
			tail := size(t, own, func(n int) time.Duration { return time.Second + time.Duration(n)*40*time.Millisecond })
			overhead := size(t, own, func(n int) time.Duration { return time.Second + 20*time.Second/time.Duration(n) })
			require.Less(t, tail, 80, "of 128 at most")
			require.Greater(t, overhead, 90)
		})
	}
}
