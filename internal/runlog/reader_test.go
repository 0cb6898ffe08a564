package runlog

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
)

// mute is a consumer that has records and delivers none.
type mute struct {
	jetstream.Consumer
	info jetstream.ConsumerInfo
}

func (m *mute) Info(context.Context) (*jetstream.ConsumerInfo, error) { return &m.info, nil }

// nothing is a delivery in which nothing comes.
type nothing struct{ jetstream.MessagesContext }

func (nothing) Next(...jetstream.NextOpt) (jetstream.Msg, error) {
	<-time.After(quiet) // in the time of synctest
	return nil, context.DeadlineExceeded
}

// Where records are due and do not come, a session ends: at once when the request for them was lost, as one may be while a
// cluster learns who listens where.
func TestARequestForRecordsIsLost(t *testing.T) {
	for _, c := range []struct {
		name string
		info jetstream.ConsumerInfo
		ends time.Duration
	}{
		{"lost", jetstream.ConsumerInfo{NumPending: 4}, quiet},
		{"not answered", jetstream.ConsumerInfo{NumPending: 4, NumWaiting: 1}, 5 * quiet},
		{"the answer lost", jetstream.ConsumerInfo{NumWaiting: 1, Delivered: jetstream.SequenceInfo{Consumer: 3}}, 5 * quiet},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := &reader{caughtUp: func() error { return nil }}
				began := time.Now()
				_, err := r.receive(t.Context(), &mute{info: c.info}, nothing{}, 2)
				require.ErrorIs(t, err, errSilent)
				require.Equal(t, c.ends, time.Since(began))
			})
		})
	}
}
