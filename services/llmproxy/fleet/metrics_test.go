package fleet

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/modelserver"
)

// gathered are the values of all series: of a histogram the number of observations.
func gathered(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	require.NoError(t, err)
	out := map[string]float64{}
	for _, fam := range families {
		for _, m := range fam.GetMetric() {
			name := strings.TrimPrefix(fam.GetName(), "myriad_llmproxy_")
			for _, l := range m.GetLabel() {
				name += " " + l.GetName() + "=" + l.GetValue()
			}
			out[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}

func TestMetrics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int64
		a, b := newMortal(time.Second), newMortal(time.Second)
		alive := a.before
		a.before = func(ctx context.Context, q asked) error {
			if n.Add(1) == 1 {
				return oops(modelserver.Overloaded, "")
			}
			return alive(ctx, q)
		}
		reg := prometheus.NewRegistry()
		cfg := config()
		cfg.Registerer = reg
		s := play(t, cfg, &a.scripted, &b.scripted)
		spec := s.spec()
		spec.Endpoints = spec.Endpoints[:1]
		spec.ShareIdentical = true
		s.ask(spec, []string{"x", "x", "y"})
		synctest.Wait()
		got := gathered(t, reg)
		require.Equal(t, 2.0, got["endpoint_retries_total endpoint=s0 kind=overloaded model=player"])
		time.Sleep(900 * time.Millisecond) //nolint:forbidigo // of synctest's time
		require.Equal(t, 2.0, gathered(t, reg)["endpoint_in_flight endpoint=s0 model=player"])
		time.Sleep(time.Minute) //nolint:forbidigo // of synctest's time
		got = gathered(t, reg)
		require.Equal(t, 1.0, got["shared_total model=player"])
		require.Equal(t, 2.0, got["batch_conversations endpoint=s0 model=player"])
		require.Equal(t, 0.0, got["endpoint_in_flight endpoint=s0 model=player"])
		require.Equal(t, 1.0, got["endpoint_up endpoint=s0"])
		require.InDelta(t, 45, got["endpoint_limit endpoint=s0"], 20)
		for range 3 {
			s.ask(s.spec(), numbered("q", 300), system("one for all")).wait()
		}
		got = gathered(t, reg)
		require.Positive(t, got["spills_total endpoint=s0 model=player"]+got["spills_total endpoint=s1 model=player"])
		a.dead.Store(true)
		s.ask(spec, []string{"z"})
		synctest.Wait()
		require.Zero(t, gathered(t, reg)["endpoint_up endpoint=s0"])
		s.Stop()
		require.Empty(t, gathered(t, reg), "a stopped fleet leaves none behind")
	})
}

// What was learnt of an endpoint is kept from round to round, and not for ever.
func TestEndpointsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		srv := &scripted{before: lacking}
		s := play(t, config(), srv)
		defer s.Stop()
		for range 5 {
			s.ask(s.spec(), numbered("q", 100)).wait()
			time.Sleep(8 * time.Minute) //nolint:forbidigo // of synctest's time
		}
		batches := 0
		for _, q := range srv.requests() {
			if q.batch {
				batches++
			}
		}
		require.Equal(t, 1, batches, "that it has no batches is known")
		time.Sleep(3 * time.Minute) //nolint:forbidigo // of synctest's time
		s.mu.Lock()
		defer s.mu.Unlock()
		require.Empty(t, s.pools)
		require.Empty(t, s.order)
		require.Empty(t, s.endpoints)
		require.Empty(t, s.alarms)
	})
}

func TestConfigIsChecked(t *testing.T) {
	cfg := config()
	_, err := New(cfg, quiet, nil, nil)
	require.ErrorIs(t, err, ErrConfig, "nobody dials")
	cfg.Dial = func(Endpoint) Server { return nil }
	_, err = New(cfg, quiet, nil, nil)
	require.NoError(t, err)
	for _, spoil := range []func(*Config){
		func(c *Config) { c.ModelCalls = 0 }, func(c *Config) { c.MaxBatch = -1 }, func(c *Config) { c.SpillFactor = 0 },
		func(c *Config) { c.DownAfter = 0 }, func(c *Config) { c.MaxConcurrency = 0 },
	} {
		bad := cfg
		spoil(&bad)
		_, err := New(bad, quiet, nil, nil)
		require.ErrorIs(t, err, ErrConfig)
	}
}
