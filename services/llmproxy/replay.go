package llmproxy

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// replayProvider says again what was said in an earlier run. It asks no model: completions come from the run log, by round,
// agent, question and attempt, and one that is not there is an error that says which.
type replayProvider struct {
	log   *slog.Logger
	limit int64
	queue *queue // reading waits for the broker, so it has workers of its own

	library *library // nil before start
	running sync.WaitGroup
}

func newReplay(log *slog.Logger, cfg Config) *replayProvider {
	return &replayProvider{log: log, limit: cfg.ReplayBytes, queue: newQueue()}
}

// start lets calls be answered.
func (p *replayProvider) start(nc *nats.Conn) error {
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("llmproxy: jetstream: %w", err)
	}
	p.library = newLibrary(js, p.limit)
	for range max(4, runtime.GOMAXPROCS(0)) {
		p.running.Go(p.queue.work)
	}
	return nil
}

// close returns when all goroutines have ended. The context of the calls is done by then.
func (p *replayProvider) close() {
	p.queue.close()
	p.running.Wait()
}

func (p *replayProvider) prepare(m *scenario.Model, f *llm.Facts, purpose uint8) (player, error) {
	if m.Run == "" {
		return nil, fmt.Errorf("%w: it names no run", errModel)
	}
	if purpose == llm.PurposeInterview {
		text := fmt.Sprintf("I say again what was said in run %s; there is nobody here to talk to.", m.Run)
		return local{answer: func(dst []byte, _ llm.Ask, _ llm.Body) ([]byte, error) { return append(dst, text...), nil }}, nil
	}
	return replayed{provider: p, run: m.Run, round: f.Round, question: f.Question, purpose: purpose}, nil
}

// replayed is one question of one round of an earlier run.
type replayed struct {
	provider *replayProvider
	run      string
	round    int
	question string
	purpose  uint8
}

func (replayed) reads() bool { return false }

func (r replayed) play(ctx context.Context, x *exchange) {
	r.provider.queue.push(func() {
		if ctx.Err() != nil {
			return // stopping: the requester is told when all work has ended
		}
		if err := r.answer(ctx, x); err != nil && ctx.Err() == nil {
			r.provider.log.Warn("nothing to replay", "run", x.run, "of", r.run, "round", r.round, "error", err)
			x.end(err.Error())
		}
	})
}

// answer answers all calls. An error is one of the whole request.
func (r replayed) answer(ctx context.Context, x *exchange) error {
	if r.run == x.run {
		return fmt.Errorf("%w: %s", errItself, r.run)
	}
	book, err := r.provider.library.round(ctx, r.run, r.round)
	if err != nil {
		return err
	}
	pages, err := book.open(ctx, r.question, x.asks) // before the lock, which must not wait for the broker
	if err != nil {
		return err
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	b := newBatch(x)
	for i, a := range x.asks {
		c := completion{index: i}
		said, ok := find(pages, a, book.base, r.purpose)
		switch {
		case !ok:
			c.Err = fmt.Sprintf("%v: run %s, round %d, agent %d, question %s, attempt %d (%s)",
				errUnsaid, r.run, r.round, a.Agent, r.question, a.Attempt%llm.AttemptsPerOpening, replayPurposes[r.purpose])
		case said.refused != "":
			c.Err, c.Rejected = said.refused, true
		default:
			c.Text, c.Cut = said.text, said.cut
		}
		if !b.fits(len(c.Text)+len(c.Err)) || len(b.res.Index) > 0 && b.res.Plain != said.plain {
			b.publish()
		}
		b.res.Plain = said.plain
		b.add(c)
	}
	b.publish()
	return nil
}

// replayPurposes are those of calls that are replayed, in words.
var replayPurposes = map[uint8]string{llm.PurposeAnswer: "the question", llm.PurposeExtract: "reading the reply", llm.PurposeReask: "asked again"}
