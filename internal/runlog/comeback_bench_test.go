package runlog

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
)

// BenchmarkComingBack is what it takes to come back to a run of some rounds in the middle of the next one: from its last
// checkpoint, as services do, and from its beginning, as a verification does. What is read of answers from a checkpoint does not
// grow with the number of rounds; control records are three for each.
func BenchmarkComingBack(b *testing.B) {
	const agents, shardSize = 20_480, 1024
	for _, rounds := range []int{10, 40} {
		js := natstest.Start(b).JetStream(b)
		bk := newBook(b)
		bk.sequel = func() uint64 { return uint64(len(bk.entries) + 1) } //nolint:gosec // what the broker will give it
		bk.begin(agents, 1, shardSize)
		for range rounds {
			bk.open()
			bk.answerAll()
			bk.close()
		}
		bk.open()
		bk.add(bk.answers(bk.fold.Round, 1, bk.plainShard(0)))
		for _, e := range bk.entries {
			_, err := js.PublishAsync(e.Subject, e.Data)
			require.NoError(b, err)
		}
		<-js.PublishAsyncComplete()
		enough := errors.New("caught up")
		for name, read := range map[string]func(*Fold, *seen) error{
			"checkpoint": func(f *Fold, s *seen) error {
				return ContinueRun(b.Context(), js, f, func() error { return enough }, func(e Entry) error {
					_, err := f.Apply(e)
					return errors.Join(err, s.take(e))
				})
			},
			"beginning": func(f *Fold, s *seen) error {
				return FollowRun(b.Context(), js, f.Run, RunSubjects, func() error { return enough }, func(e Entry) error {
					_, err := f.Apply(e)
					return errors.Join(err, s.take(e))
				})
			},
		} {
			b.Run(fmt.Sprintf("rounds=%d/%s", rounds, name), func(b *testing.B) {
				var s seen
				for b.Loop() {
					s = seen{}
					f := NewFold("r1", WithAnswers())
					require.ErrorIs(b, read(f, &s), enough)
					require.Equal(b, bk.fold.Left(), f.Left())
				}
				b.ReportMetric(float64(len(s.entries)), "read-records/op")
				b.ReportMetric(float64(s.bytes), "read-bytes/op")
			})
		}
	}
}
