package monitor_test

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/myriad-sim/myriad/internal/monitor"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func listen(t *testing.T) *monitor.Server {
	t.Helper()
	s, err := monitor.Listen(t.Context(), monitor.Config{Addr: "127.0.0.1:0"}, slog.New(slog.DiscardHandler))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s
}

func ask(t *testing.T, s *monitor.Server, path string) (string, error) {
	t.Helper()
	return monitor.Ask(t.Context(), monitor.URL(s.Addr(), path))
}

func TestAProcessIsAliveBeforeItIsReady(t *testing.T) {
	s := listen(t)
	said, err := ask(t, s, monitor.PathHealth)
	require.NoError(t, err)
	require.Equal(t, "alive", said)
	_, err = ask(t, s, monitor.PathReady)
	require.ErrorIs(t, err, monitor.ErrUnwell)
	require.ErrorContains(t, err, "503 Service Unavailable: the services are starting")

	var trouble error
	s.Ready(func(ctx context.Context) error {
		_, bounded := ctx.Deadline()
		require.True(t, bounded)
		return trouble
	})
	said, err = ask(t, s, monitor.PathReady)
	require.NoError(t, err)
	require.Equal(t, "ready", said)

	trouble = errors.New("not connected to the broker")
	_, err = ask(t, s, monitor.PathReady)
	require.ErrorContains(t, err, "not connected to the broker")
	_, err = ask(t, s, monitor.PathHealth)
	require.NoError(t, err)
}

func TestMetricsAreThoseOfTheProcessAndOfItsServices(t *testing.T) {
	s := listen(t)
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "myriad_test_depth", Help: "Depth."})
	g.Set(7)
	require.NoError(t, s.Register(g))
	require.Error(t, s.Register(g), "twice")
	require.NoError(t, s.Register(failing{}))
	said, err := ask(t, s, monitor.PathMetrics)
	require.NoError(t, err)
	require.True(t, strings.HasPrefix(said, "# HELP go_"), said)
	// The answer is longer than what Ask reads, so the rest is asked for directly.
	require.Contains(t, whole(t, s), "\nmyriad_test_depth 7\n")
	require.Contains(t, whole(t, s), "\nprocess_resident_memory_bytes ")
}

// failing are metrics that cannot be had now.
type failing struct{}

var failed = prometheus.NewDesc("myriad_test_failing", "Fails.", nil, nil)

func (failing) Describe(ch chan<- *prometheus.Desc) { ch <- failed }

func (failing) Collect(ch chan<- prometheus.Metric) {
	ch <- prometheus.NewInvalidMetric(failed, errors.New("broker is away"))
}

func whole(t *testing.T, s *monitor.Server) string {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(t.Context(), "tcp", s.Addr())
	require.NoError(t, err)
	defer conn.Close()
	_, err = conn.Write([]byte("GET /metrics HTTP/1.0\r\n\r\n"))
	require.NoError(t, err)
	var all strings.Builder
	buffer := make([]byte, 64<<10)
	for {
		n, err := conn.Read(buffer)
		all.Write(buffer[:n])
		if err != nil {
			return all.String()
		}
	}
}

func TestItStaysOnThisMachineUnlessItIsToldOtherwise(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	for _, addr := range []string{":0", "0.0.0.0:0", "[::]:0", "192.0.2.1:1", "example.org:80"} {
		_, err := monitor.Listen(t.Context(), monitor.Config{Addr: addr}, log)
		require.ErrorIs(t, err, monitor.ErrNotLoopback, addr)
		require.ErrorContains(t, err, "MYRIAD_MONITOR_OPEN")
	}
	for _, addr := range []string{"", "9464", "127.0.0.1:x"} {
		_, err := monitor.Listen(t.Context(), monitor.Config{Addr: addr}, log)
		require.ErrorIs(t, err, monitor.ErrListen, addr)
	}
	s, err := monitor.Listen(t.Context(), monitor.Config{Addr: "0.0.0.0:0", Open: true}, log)
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(s.Addr())
	require.NoError(t, err)
	_, err = monitor.Ask(t.Context(), monitor.URL("0.0.0.0:"+port, monitor.PathHealth))
	require.NoError(t, err)
	require.NoError(t, s.Stop(t.Context()))

	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	_, err = monitor.Ask(ctx, monitor.URL(":"+port, monitor.PathHealth))
	require.ErrorIs(t, err, monitor.ErrUnwell)
	_, err = monitor.Ask(ctx, "not a URL\n")
	require.ErrorIs(t, err, monitor.ErrUnwell)
}
