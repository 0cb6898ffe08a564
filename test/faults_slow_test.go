package test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Somebody who listens to everything, and to what is said in hubs, and reads nothing of it: the broker lets go of them, and the
// run takes no notice.
func TestReaderThatDoesNotRead(t *testing.T) {
	t.Parallel()
	more := scenario.Overrides{Agents: new(40_000), Set: map[string]string{"models.sleeper.latency": "0s"}}
	sys := openSystem(t, t.TempDir(), nil)
	calm := sys.play(t, control.Submission{Source: faultScenario, Overrides: more})
	sys.close(t)

	s := up(t, t.TempDir())
	var deaf []net.Conn
	for _, subject := range []string{"myriad.>", subjects.StreamLogSubject, subjects.StreamHubSubject} {
		deaf = append(deaf, subscribeRaw(t, s.nats[len("nats://"):], subject))
	}
	began := time.Now()
	reader := &system{nc: s.connect(t), js: s.jetStream(t)}
	run := reader.submit(t, control.Submission{Source: faultScenario, Overrides: more})
	reader.finished(t, run)
	t.Logf("the run took %v", time.Since(began))
	require.Equal(t, hex.EncodeToString(calm.Hash), accounted(t, s.jetStream(t), run))
	cut := func(c net.Conn) (read int64, cut bool) {
		require.NoError(t, c.SetReadDeadline(time.Now().Add(5*time.Second)))
		read, err := io.Copy(io.Discard, c)
		return read, !errors.Is(err, os.ErrDeadlineExceeded)
	}
	wait := time.NewTimer(12 * time.Second) // the broker gives a write ten seconds
	defer wait.Stop()
	<-wait.C
	read, isCut := cut(deaf[0])
	t.Logf("read after all: %d bytes", read)
	require.True(t, isCut, "who listens to everything and does not read is cut off")
	_, isCut = cut(deaf[2])
	require.False(t, isCut, "who had nothing to read is not")
}

// subscribeRaw subscribes like a client that then hangs: its small buffer fills up and nobody reads it.
func subscribeRaw(t testing.TB, addr, subject string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { _ = c.Close() })
	require.NoError(t, c.(*net.TCPConn).SetReadBuffer(64<<10))
	_, err = c.Write([]byte("CONNECT {\"verbose\":false}\r\nSUB " + subject + " 1\r\nPING\r\n"))
	require.NoError(t, err)
	r := bufio.NewReaderSize(c, 16)
	for line := ""; line != "PONG\r\n"; {
		line, err = r.ReadString('\n')
		require.NoError(t, err)
	}
	return c
}
