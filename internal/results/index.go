package results

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// entry is an answer record that counts, wholly or in part. Which of its answers count follows from its place: those that
// no earlier entry of the round has.
type entry struct {
	seq   uint64
	shard int
	taken int    // how many of its answers the fold accepted
	sum   uint32 // CRC-32C of the record, to know it again
}

// roundIndex says where the answers of a closed round are: its entries by shard, and by sequence within a shard.
type roundIndex struct {
	round   int
	entries []entry
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errRead ends the reading after the last round that is wanted.
var errRead = errors.New("all rounds read")

// indexRounds folds the log of the run and sends the index of each round of s when its digest is verified.
func indexRounds(ctx context.Context, js jetstream.JetStream, s *runlog.State, filters runlog.Filters, opts []runlog.Option, out chan<- roundIndex) error {
	fold := runlog.NewFold(s.Run, append(opts, runlog.WithAnswers())...)
	last := s.Rounds[len(s.Rounds)-1].Round
	var entries []entry // of the opening that the fold is in
	err := runlog.ReadRun(ctx, js, s.Run, filters, func(e runlog.Entry) error {
		left := fold.Left()
		h, err := fold.Apply(e)
		switch {
		case err != nil:
			return err
		case h.Kind == subjects.KindOpened:
			entries = nil
		case h.Kind == runlog.KindAnswer && fold.Left() < left:
			at, err := subjects.ParseLog(e.Subject)
			if err != nil {
				return fmt.Errorf("results: record %d: %w", e.Seq, err)
			}
			entries = append(entries, entry{e.Seq, at.Shard, left - fold.Left(), crc32.Checksum(e.Data, castagnoli)})
		case h.Kind == subjects.KindClosed:
			slices.SortFunc(entries, func(a, b entry) int { return cmp.Or(cmp.Compare(a.shard, b.shard), cmp.Compare(a.seq, b.seq)) })
			select {
			case out <- roundIndex{h.Round, entries}:
			case <-ctx.Done():
				return ctx.Err()
			}
			entries = nil
			if h.Round == last {
				return errRead
			}
		}
		return nil
	})
	if err == nil { // the log was purged, or is being
		return fmt.Errorf("results: %w: %q has fewer rounds in the log than before", runlog.ErrNoRun, s.Run)
	}
	if errors.Is(err, errRead) {
		return nil
	}
	return err
}
