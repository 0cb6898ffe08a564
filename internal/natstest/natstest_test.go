package natstest_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

const subject = "myriad.run.r1.log.ctl.created"

func TestTCPAndInProcessShareOneServer(t *testing.T) {
	s := natstest.Start(t)
	tcp, in := s.Connect(t), s.InProcess(t)
	sub, err := tcp.SubscribeSync("greet")
	require.NoError(t, err)
	require.NoError(t, tcp.Flush())
	require.NoError(t, in.Publish("greet", []byte("hello")))
	m, err := sub.NextMsg(5 * time.Second)
	require.NoError(t, err)
	require.Equal(t, "hello", string(m.Data))
}

func TestWhatWasAcknowledgedIsThereAfterAKill(t *testing.T) {
	s := natstest.Start(t)
	js := s.JetStream(t)
	ack, err := js.Publish(t.Context(), subject, []byte("kept"))
	require.NoError(t, err)
	url := s.URL()
	s.Kill(t)
	_, err = nats.Connect(url)
	require.Error(t, err, "nobody listens while it is down")
	s.Restart(t)
	require.Equal(t, url, s.URL())
	requireStored(t, js, ack.Sequence, "kept")
}

func TestConnectionsComeBackAfterARestart(t *testing.T) {
	s := natstest.Start(t)
	tcp, in := s.Connect(t), s.InProcess(t)
	s.Restart(t)
	for _, nc := range []*nats.Conn{tcp, in} {
		require.Eventually(t, nc.IsConnected, 10*time.Second, 10*time.Millisecond)
		require.NoError(t, nc.Flush())
		require.Equal(t, uint64(1), nc.Stats().Reconnects)
	}
}

func TestOptionsReachTheStreams(t *testing.T) {
	s := natstest.Start(t, natstest.WithOptions(bus.Options{MaxBytes: 128 << 20}))
	stream, err := s.JetStream(t).Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.Equal(t, int64(128<<20), stream.CachedInfo().Config.MaxBytes)
}

// requireStored waits for the stream to be back and reads one record from it.
func requireStored(t *testing.T, js jetstream.JetStream, seq uint64, want string) {
	t.Helper()
	var got string
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		stream, err := js.Stream(ctx, subjects.StreamLog)
		if err != nil {
			return false
		}
		m, err := stream.GetMsg(ctx, seq)
		if err != nil {
			return false
		}
		got = string(m.Data)
		return true
	}, 10*time.Second, 20*time.Millisecond)
	require.Equal(t, want, got)
}
