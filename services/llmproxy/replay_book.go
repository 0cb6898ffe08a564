package llmproxy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// replayBook is a closed round of a run: where the answers that counted stand in the log, and what they say as far as that
// is in memory.
type replayBook struct {
	js       jetstream.JetStream
	pages    *pageCache
	run      string
	round    int
	scenario *scenario.Scenario
	shard    int    // agents a shard
	base     uint32 // first attempt of the opening that counted

	mu     sync.Mutex
	index  map[shelfmark][]*replayEntry // nil before it was read; not changed then
	stream jetstream.Stream             // nil before a record was read again
	plain  func(model string) bool
}

// shelfmark is a question to a shard.
type shelfmark struct{ question, shard int }

// replayEntry is an answer record that counts, wholly or in part.
type replayEntry struct {
	seq         uint64
	first, last int
	some        []int // the agents whose answers in it count; nil: all
}

// read goes once over the round. What it passes is kept as long as there is room, so that most of it need not be read again.
// b.mu is held.
func (b *replayBook) read(ctx context.Context, past *pastRun) error {
	index := map[shelfmark][]*replayEntry{}
	var seq uint64
	take := func(_ int, a *runlog.Answers, positions []int) {
		e := &replayEntry{seq: seq, first: a.Agents[positions[0]], last: a.Agents[positions[len(positions)-1]]}
		if len(positions) < a.Len() {
			for _, at := range positions {
				e.some = append(e.some, a.Agents[at])
			}
		}
		mark := shelfmark{a.Question, a.Shard}
		index[mark] = append(index[mark], e)
		b.pages.offer(b, seq, newPage(a, positions, b.plain))
	}
	fold := runlog.NewFold(b.run, runlog.WithShards(func(int) bool { return true }), runlog.WithAccept(take))
	control := past.control
	opened, closed, err := b.bounds(control)
	if err != nil {
		return err
	}
	until := func(seq uint64) error { // control records up to a place
		for len(control) > 0 && control[0].Seq <= seq {
			if _, err := fold.Apply(control[0]); err != nil {
				return err
			}
			control = control[1:]
		}
		return nil
	}
	if err := until(opened); err != nil {
		return err
	}
	err = runlog.Read(ctx, b.js, opened+1, []string{subjects.LogAnswerAll(b.run)}, func(e runlog.Entry) error {
		if e.Seq > closed {
			return errLastPage
		}
		if err := until(e.Seq); err != nil {
			return err
		}
		seq = e.Seq
		_, err := fold.Apply(e)
		return err
	})
	if err != nil && !errors.Is(err, errLastPage) {
		return fmt.Errorf("round %d of run %s cannot be replayed: %w", b.round, b.run, err)
	}
	b.index = index
	return nil
}

// errLastPage ends the reading of a round.
var errLastPage = errors.New("the round is closed")

// bounds are the records that open the round for the last time and close it.
func (b *replayBook) bounds(control []runlog.Entry) (opened, closed uint64, err error) {
	for _, e := range control {
		at, err := subjects.ParseLog(e.Subject)
		if err != nil {
			return 0, 0, err
		}
		if at.Run != b.run || at.Kind != subjects.KindOpened && at.Kind != subjects.KindClosed {
			continue
		}
		h, _, err := runlog.Decode(e.Data)
		switch {
		case err != nil:
			return 0, 0, err
		case h.Round != b.round:
		case h.Kind == subjects.KindOpened:
			opened = e.Seq
		default:
			return opened, e.Seq, nil
		}
	}
	return 0, 0, fmt.Errorf("%w: round %d of run %s is not closed", errUnsaid, b.round, b.run)
}

// open returns the pages on which there is something of the agents of some calls, whose agents are near each other. It reads
// again what is not in memory.
func (b *replayBook) open(ctx context.Context, question string, asks []llm.Ask) ([]*replayPage, error) {
	q := b.scenario.QuestionIndex(question)
	if q < 0 || len(asks) == 0 {
		return nil, nil // nothing was said
	}
	var out []*replayPage
	done := -1
	for _, a := range asks {
		shard := int(a.Agent / uint64(b.shard)) //nolint:gosec // both positive
		if shard == done {
			continue
		}
		done = shard
		for _, e := range b.index[shelfmark{q, shard}] {
			page := b.pages.get(e.seq)
			if page == nil {
				var err error
				if page, err = b.fetch(ctx, e); err != nil {
					return nil, err
				}
				b.pages.put(b, e.seq, page)
			}
			out = append(out, page)
		}
	}
	return out, nil
}

// Pauses while the broker is away, or a replica lags behind.
const (
	fetchPause    = 20 * time.Millisecond
	fetchPauseMax = time.Second
	fetchTries    = 5 // of a record that is said not to be there
)

// fetch reads the record of an entry again. It waits out an unreachable broker.
func (b *replayBook) fetch(ctx context.Context, e *replayEntry) (*replayPage, error) {
	data, err := b.record(ctx, e.seq)
	if err != nil {
		return nil, fmt.Errorf("record %d of run %s cannot be read: %w", e.seq, b.run, err)
	}
	_, body, err := runlog.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("record %d of run %s: %w", e.seq, b.run, err)
	}
	a, err := runlog.DecodeAnswers(body)
	if err != nil {
		return nil, fmt.Errorf("record %d of run %s: %w", e.seq, b.run, err)
	}
	var positions []int
	for at, agent := range a.Agents {
		if _, counts := slices.BinarySearch(e.some, agent); counts || e.some == nil {
			positions = append(positions, at)
		}
	}
	return newPage(a, positions, b.plain), nil
}

// runLog is the stream of the run log, for which the broker is asked once, not again for every record.
func (b *replayBook) runLog(ctx context.Context) (jetstream.Stream, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stream == nil {
		s, err := b.js.Stream(ctx, subjects.StreamLog)
		if err != nil {
			return nil, err
		}
		b.stream = s
	}
	return b.stream, nil
}

// record is the payload of an answer record of the run.
func (b *replayBook) record(ctx context.Context, seq uint64) ([]byte, error) {
	for try, pause := 1, fetchPause; ; try, pause = try+1, min(2*pause, fetchPauseMax) {
		stream, err := b.runLog(ctx)
		var m *jetstream.RawStreamMsg
		if err == nil {
			m, err = stream.GetMsg(ctx, seq)
		}
		if err == nil {
			if at, wrong := subjects.ParseLog(m.Subject); wrong != nil || at.Run != b.run || at.Class != subjects.ClassAnswer {
				return nil, fmt.Errorf("%w: it is on subject %s", runlog.ErrReplaced, m.Subject)
			}
			return m.Data, nil
		}
		if ctx.Err() != nil || errors.Is(err, jetstream.ErrMsgNotFound) && try >= fetchTries {
			return nil, err
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}
