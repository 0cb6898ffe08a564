package llmproxy

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// library is what is known of the runs that are replayed: of their rounds, where each answer that counted stands in the log,
// and within a bound of bytes what it says. It is safe for concurrent use.
type library struct {
	js jetstream.JetStream

	mu     sync.Mutex
	runs   map[string]*replaySource
	recent []*replayBook // rounds, the one used last at the end

	pages pageCache
}

// What is kept of runs and rounds beside pages is small, so a number is bound enough.
const (
	keepSources = 64
	keepBooks   = 32
)

func newLibrary(js jetstream.JetStream, limit int64) *library {
	return &library{js: js, runs: map[string]*replaySource{}, pages: pageCache{limit: limit, byPlace: map[uint64]*list.Element{}}}
}

// source is what the library knows of a run.
func (l *library) source(run string) *replaySource {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.runs[run]
	if s == nil {
		if len(l.runs) >= keepSources {
			clear(l.runs)
		}
		s = &replaySource{run: run, js: l.js}
		l.runs[run] = s
	}
	return s
}

// round opens a closed round of a run, or of the run that it is a fork of. It waits for the log.
func (l *library) round(ctx context.Context, run string, round int) (*replayBook, error) {
	s := l.source(run)
	past, err := s.closed(ctx, round)
	if err != nil {
		return nil, err
	}
	if of, _ := past.state.Of(round); of != run { // a round that a fork has inherited
		return l.round(ctx, of, round)
	}
	book := l.shelf(past, round)
	book.mu.Lock()
	defer book.mu.Unlock()
	if book.index != nil {
		return book, nil
	}
	plain, err := l.speakers(ctx, past.state, 0)
	if err != nil {
		return nil, err
	}
	book.plain = plain
	if err := book.read(ctx, past); err != nil {
		return nil, err
	}
	return book, nil
}

// shelf is the book of a round, which may have nothing in it yet.
func (l *library) shelf(past *pastRun, round int) *replayBook {
	l.mu.Lock()
	defer l.mu.Unlock()
	at := slices.IndexFunc(l.recent, func(b *replayBook) bool { return b.run == past.state.Run && b.round == round })
	var book *replayBook
	if at >= 0 {
		book = l.recent[at]
		l.recent = slices.Delete(l.recent, at, at+1)
	} else {
		book = &replayBook{
			js: l.js, pages: &l.pages, run: past.state.Run, round: round, scenario: past.state.Scenario, shard: past.state.Created.ShardSize,
			base: uint32(past.state.Rounds[round-1].Attempt) * llm.AttemptsPerOpening, //nolint:gosec // small
		}
		l.recent = slices.Delete(l.recent, 0, max(0, len(l.recent)-keepBooks+1))
	}
	l.recent = append(l.recent, book)
	return book
}

// deepest bounds how many runs are looked through of which each replays the next.
const deepest = 16

// speakers tells of the models of a run whether they are no language models. What is replayed there is what it was in the
// run that it comes from.
func (l *library) speakers(ctx context.Context, s *runlog.State, depth int) (func(model string) bool, error) {
	kinds := map[string]bool{}
	for _, m := range s.Scenario.Models {
		kinds[m.Name] = m.Behavioural()
		if !m.Replay() || depth >= deepest {
			continue
		}
		past, err := l.source(m.Run).closed(ctx, 0)
		if err != nil {
			return nil, err
		}
		of, err := l.speakers(ctx, past.state, depth+1)
		if err != nil {
			return nil, err
		}
		kinds[m.Name] = of(m.Name)
	}
	return func(model string) bool { return kinds[model] }, nil
}

// replaySource is a run that is replayed.
type replaySource struct {
	run string
	js  jetstream.JetStream

	mu   sync.Mutex
	past *pastRun // nil before the first reading
}

// pastRun is what the control records of a run said when they were read.
type pastRun struct {
	state   *runlog.State
	control []runlog.Entry
}

// closed returns the run once the round is closed in it; round 0 always is. A run that goes on is read again for a round
// that it did not have before.
func (s *replaySource) closed(ctx context.Context, round int) (*pastRun, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.past != nil && (len(s.past.state.Rounds) >= round || s.past.state.Phase.Over()) {
		return s.past.with(round)
	}
	past, err := readPast(ctx, s.js, s.run)
	if err != nil {
		return nil, err
	}
	s.past = past
	return past.with(round)
}

func (p *pastRun) with(round int) (*pastRun, error) {
	if have := len(p.state.Rounds); round > have {
		return nil, fmt.Errorf("%w: round %d; run %s is %s and its last closed round is %d", errUnsaid, round, p.state.Run, p.state.Status(), have)
	}
	return p, nil
}

func readPast(ctx context.Context, js jetstream.JetStream, run string) (*pastRun, error) {
	p := new(pastRun)
	fold := runlog.NewFold(run)
	err := runlog.ReadRun(ctx, js, run, runlog.ControlSubjects, func(e runlog.Entry) error {
		p.control = append(p.control, e)
		_, err := fold.Apply(e)
		return err
	})
	switch {
	case errors.Is(err, runlog.ErrNoRun), err == nil && fold.Phase == runlog.PhaseNone:
		return nil, fmt.Errorf("%w: %s", errNoSource, run)
	case err != nil:
		return nil, fmt.Errorf("run %s cannot be replayed: %w", run, err)
	}
	p.state = &fold.State
	return p, nil
}
