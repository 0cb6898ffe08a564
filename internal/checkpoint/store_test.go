package checkpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

const subject = "myriad.run.r.log.env.w"

type shelf struct {
	testing.TB
	*Store
	srv *natstest.Server
	js  jetstream.JetStream
}

func newShelf(t testing.TB) *shelf {
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	s, err := Open(t.Context(), js, natstest.Logger(t), subjects.StreamLog)
	require.NoError(t, err)
	return &shelf{t, s, srv, js}
}

// record appends to the log.
func (s *shelf) record(text string) uint64 {
	ack, err := s.js.Publish(s.Context(), subject, []byte(text))
	require.NoError(s, err)
	return ack.Sequence
}

// loaded is what Load offers, in order; use refuses the first ones.
func (s *shelf) loaded(refuse int) (states []string) {
	require.NoError(s, s.Load(s.Context(), subject, func(seq uint64, state []byte) error {
		states = append(states, fmt.Sprintf("%d:%s", seq, state))
		if len(states) <= refuse {
			return errors.New("refused")
		}
		return nil
	}))
	return states
}

// The newest checkpoint is used, and the one before where that cannot be; older ones are gone.
func TestTheNewestTwo(t *testing.T) {
	s := newShelf(t)
	require.Empty(t, s.loaded(0))
	newest, err := s.Newest(t.Context(), subject)
	require.NoError(t, err)
	require.Zero(t, newest)
	for _, text := range []string{"one", "two", "three"} {
		require.NoError(t, s.Save(t.Context(), subject, s.record(text), []byte(text)))
	}
	require.Equal(t, []string{"3:three"}, s.loaded(0))
	require.Equal(t, []string{"3:three", "2:two"}, s.loaded(1))
	require.Equal(t, []string{"3:three", "2:two"}, s.loaded(5))
	newest, err = s.Newest(t.Context(), subject)
	require.NoError(t, err)
	require.EqualValues(t, 3, newest)
	require.ErrorIs(t, s.Save(t.Context(), subject, 9, nil), ErrForeign, "there is no such record")
	have, err := s.Subjects(t.Context(), "myriad.run.", ".log.env.w")
	require.NoError(t, err)
	require.Equal(t, map[string]bool{subject: true}, have)
	have, err = s.Subjects(t.Context(), "myriad.run.", ".log.code.w")
	require.NoError(t, err)
	require.Empty(t, have)
}

// What is larger than a message is kept in parts, and a part that is missing or changed makes it unusable.
func TestParts(t *testing.T) {
	s := newShelf(t)
	small, large := []byte("small"), bytes.Repeat([]byte("0123456789abcdef"), (5<<20)/16)
	require.NoError(t, s.Save(t.Context(), subject, s.record("one"), small))
	require.NoError(t, s.Save(t.Context(), subject, s.record("two"), large))
	require.Equal(t, []string{"2:" + string(large)}, s.loaded(0))
	have, err := s.have(t.Context(), subject)
	require.NoError(t, err)
	require.EqualValues(t, 6, have[0].Chunks)
	parts := chunks + have[0].NUID
	require.NoError(t, s.parts.Purge(t.Context(), jetstream.WithPurgeSubject(parts), jetstream.WithPurgeKeep(5)))
	require.Equal(t, []string{"1:small"}, s.loaded(0))
}

// A log that was cut off, or is another one, has no use for checkpoints of what it does not hold.
func TestAnotherLog(t *testing.T) {
	s := newShelf(t)
	require.NoError(t, s.Save(t.Context(), subject, s.record("one"), []byte("one")))
	have, err := s.have(t.Context(), subject)
	require.NoError(t, err)
	other := frame{subject: subject, seq: 1, state: []byte("of another log")}
	_, err = s.objects.PutBytes(t.Context(), have[0].Name, other.pack())
	require.NoError(t, err)
	require.Empty(t, s.loaded(0))
	other = frame{subject: "myriad.run.r.log.env.v", seq: 1, state: []byte("of another tree")}
	_, err = s.objects.PutBytes(t.Context(), have[0].Name, other.pack())
	require.NoError(t, err)
	require.Empty(t, s.loaded(0))
	require.NoError(t, s.Save(t.Context(), subject, 1, []byte("one")))
	require.Equal(t, []string{"1:one"}, s.loaded(0))
	log, err := s.js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.NoError(t, log.Purge(t.Context()))
	require.Empty(t, s.loaded(0))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Load(ended, subject, nil), context.Canceled)
}

// A tail is due when there is enough of it, and as much as what there is to write.
func TestTail(t *testing.T) {
	var tail Tail
	for range 9 {
		tail.Add(make([]byte, 100))
	}
	require.False(t, tail.Due(10))
	tail.Add(nil)
	require.True(t, tail.Due(10))
	tail.Begin()
	require.False(t, tail.Due(0), "one is being written")
	tail.Done(100_000)
	for range 10 {
		tail.Add(make([]byte, 100))
	}
	require.False(t, tail.Due(10), "it would cost more than it saves")
	tail.Add(make([]byte, 100_000))
	require.True(t, tail.Due(10))
	tail.Begin()
	tail.Done(0)
	tail.From(0)
	tail.Add(make([]byte, tailBytes))
	require.True(t, tail.Due(10), "few, but large")
}

// What is no frame is refused, whatever it is.
func FuzzFrame(f *testing.F) {
	good := (&frame{subject: subject, seq: 7, state: []byte("state")}).pack()
	f.Add(good)
	f.Add(good[:40])
	f.Add([]byte(magic))
	f.Fuzz(func(t *testing.T, data []byte) {
		got, err := unpack(data)
		if err != nil {
			require.True(t, errors.Is(err, ErrDamaged) || errors.Is(err, ErrVersion))
			return
		}
		require.Equal(t, data, got.pack())
	})
}
