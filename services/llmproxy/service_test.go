package llmproxy

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

func TestBadRequestsAreRefusedByName(t *testing.T) {
	s := start(t, fast(t))
	good := func() *llm.Request { return request(t, dummyModel, numberFacts(0, 1), 1) }
	future, err := msgpack.Marshal(&llm.Request{V: 9, ID: 42})
	require.NoError(t, err)
	model, facts, provider, purpose := good(), good(), good(), good()
	model.Model, facts.Facts, purpose.Purpose = []byte{0xc1}, []byte{0x93, 1}, 77
	provider.Model, err = msgpack.Marshal(scenario.Model{Name: "player", Provider: "oracle"})
	require.NoError(t, err)
	encode := func(r *llm.Request) []byte {
		b, err := llm.EncodeRequest(r)
		require.NoError(t, err)
		return b
	}
	for why, payload := range map[string][]byte{
		"unknown payload version: 9": future, "bad model": encode(model), "bad facts": encode(facts),
		`unknown provider "oracle"`: encode(provider), "unknown purpose 77": encode(purpose), "damaged payload": encode(good())[:30],
	} {
		r := answered(t, s.send(t, payload))
		require.True(t, r.Done)
		require.Empty(t, r.Index)
		require.Equal(t, uint64(42), r.ID)
		require.Contains(t, r.Refused, why)
	}
	require.Empty(t, next(t, s.send(t, []byte("hello"))).Index)
	require.Equal(t, gathered{text: []string{}, errs: []string{}, retries: []int{}, cut: []bool{}}, s.ask(t, request(t, dummyModel, numberFacts(0, 1), 0)))
	require.Len(t, s.ask(t, good()).text, 1, "it still works")
}

func TestKeepAliveWhileCallsAreOpen(t *testing.T) {
	s := start(t, fast(t))
	m := dummyModel
	m.Latency = int64(2500 * time.Millisecond)
	payload, err := llm.EncodeRequest(request(t, m, numberFacts(0, 1), 3))
	require.NoError(t, err)
	sub := s.send(t, payload)
	signs := 0
	for {
		r := next(t, sub)
		if r.Done {
			require.Len(t, r.Index, 3)
			break
		}
		require.Empty(t, r.Index)
		require.Equal(t, uint64(42), r.ID)
		signs++
	}
	require.GreaterOrEqual(t, signs, 1+4, "when it was taken, and twice a second")
	require.LessOrEqual(t, signs, 1+5)
	_, err = sub.NextMsg(1200 * time.Millisecond)
	require.ErrorIs(t, err, nats.ErrTimeout, "nothing follows the last result")
}

func TestAFullServiceSaysBusy(t *testing.T) {
	cfg := fast(t)
	cfg.MaxCalls = 10
	s := start(t, cfg)
	slow := dummyModel
	slow.Latency = int64(500 * time.Millisecond)
	payload, err := llm.EncodeRequest(request(t, slow, numberFacts(0, 1), 8))
	require.NoError(t, err)
	sub := s.send(t, payload)
	until(t, func() bool { return accepted(s.svc) == 8 }, "accepted")
	require.Equal(t, llm.RefusedBusy, s.ask(t, request(t, dummyModel, numberFacts(0, 1), 3)).refused)
	require.Empty(t, s.ask(t, request(t, dummyModel, numberFacts(0, 1), 2)).refused)
	require.Len(t, answered(t, sub).Index, 8)
	require.Empty(t, s.ask(t, request(t, dummyModel, numberFacts(0, 1), 3)).refused, "there is room again")
}

func TestStopTellsRequestersToAskAgain(t *testing.T) {
	s := start(t, fast(t))
	slow := dummyModel
	slow.Latency = int64(time.Hour)
	payload, err := llm.EncodeRequest(request(t, slow, numberFacts(0, 1), 5))
	require.NoError(t, err)
	sub := s.send(t, payload)
	until(t, func() bool { return accepted(s.svc) == 5 }, "accepted")
	require.NoError(t, s.svc.Stop(t.Context()))
	r := answered(t, sub)
	require.True(t, r.Done)
	require.Equal(t, llm.RefusedBusy, r.Refused)
	_, err = s.nc.Request("myriad.llm.player.chat", payload, 5*time.Second)
	require.ErrorIs(t, err, nats.ErrNoResponders)
	require.NoError(t, s.svc.Stop(t.Context()), "stopping twice is harmless")
	require.ErrorIs(t, s.svc.Start(t.Context()), ErrStarted)
}

func TestStopWithoutABroker(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.InProcess(t)
	svc, err := New(nc, natstest.Logger(t), fast(t))
	require.NoError(t, err)
	require.NoError(t, svc.Start(t.Context()))
	nc.Close()
	require.NoError(t, svc.Stop(t.Context()))
}

func TestStopWhileTheBrokerIsAway(t *testing.T) {
	srv := natstest.Start(t)
	svc, err := New(srv.InProcess(t), natstest.Logger(t), fast(t))
	require.NoError(t, err)
	require.NoError(t, svc.Start(t.Context()))
	srv.Kill(t)
	until(t, func() bool { return !svc.nc.IsConnected() }, "disconnected")
	began := time.Now()
	err = svc.Stop(t.Context())
	require.Less(t, time.Since(began), 2*time.Second)
	require.NoError(t, err)
}

// Two services share the work: every request is answered by one of them.
func TestServicesShareAQueue(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.InProcess(t)
	for range 2 {
		svc, err := New(srv.InProcess(t), natstest.Logger(t), fast(t))
		require.NoError(t, err)
		require.NoError(t, svc.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, svc.Stop(context.Background())) })
	}
	s := &stack{nc: nc}
	payload, err := llm.EncodeRequest(request(t, dummyModel, numberFacts(0, 1), 1))
	require.NoError(t, err)
	for range 20 {
		sub := s.send(t, payload)
		require.True(t, answered(t, sub).Done)
		m, err := sub.NextMsg(20 * time.Millisecond)
		for ; err == nil; m, err = sub.NextMsg(20 * time.Millisecond) { // that it was taken may be said after the result
			r, err := llm.DecodeResult(m.Data)
			require.NoError(t, err)
			require.False(t, r.Done || len(r.Index) > 0)
		}
		require.ErrorIs(t, err, nats.ErrTimeout)
	}
}

func TestItIsListedAsAMicroService(t *testing.T) {
	s := start(t, fast(t))
	m, err := s.nc.Request("$SRV.INFO.llmproxy", nil, 5*time.Second)
	require.NoError(t, err)
	var info micro.Info
	require.NoError(t, json.Unmarshal(m.Data, &info))
	require.Equal(t, "llmproxy", info.Name)
}

func TestMetrics(t *testing.T) {
	f := fake(t, func(_ chatRequest, n int) answer {
		if n == 1 {
			return status(500, "once")
		}
		return say("ok")
	})
	cfg := fast(t)
	reg := prometheus.NewRegistry()
	cfg.Registerer, cfg.BreakerFailures = reg, 100
	s := start(t, cfg)
	s.ask(t, request(t, f.model(), nil, 3))
	s.ask(t, request(t, scenario.Model{Name: "bot", Provider: "scripted", Answers: map[string]string{"guess": "persona.x == \"a\" ? 1 : 2"}}, numberFacts(0, 1), 2))
	value := func(name string, labels ...string) float64 {
		families, err := reg.Gather()
		require.NoError(t, err)
		for _, fam := range families {
			for _, m := range fam.GetMetric() {
				match := fam.GetName() == "myriad_llmproxy_"+name
				for i, l := range m.GetLabel() {
					match = match && i < len(labels) && l.GetName()+"="+l.GetValue() == labels[i]
				}
				if match && m.GetHistogram() != nil {
					return float64(m.GetHistogram().GetSampleCount())
				}
				if match {
					return m.GetCounter().GetValue() + m.GetGauge().GetValue()
				}
			}
		}
		require.Fail(t, "no metric "+name)
		return 0
	}
	require.Equal(t, 3.0, value("calls_total", "model=player", "outcome=answered", "provider=openai"))
	require.Equal(t, 2.0, value("calls_total", "model=bot", "outcome=failed", "provider=scripted"))
	require.Equal(t, 3.0, value("retries_total", "model=player", "provider=openai"))
	require.Equal(t, 33.0, value("tokens_total", "direction=in", "model=player", "provider=openai"))
	require.Equal(t, 9.0, value("tokens_total", "direction=out", "model=player", "provider=openai"))
	require.Equal(t, 0.0, value("calls_in_flight", "model=player", "provider=openai"))
	require.Equal(t, 1.0, value("request_seconds", "model=player", "provider=openai"))
	require.NoError(t, s.svc.Stop(t.Context()))
	left, err := reg.Gather()
	require.NoError(t, err)
	require.Empty(t, left, "a stopped service leaves no metrics behind")
}

func TestConfig(t *testing.T) {
	cfg, err := LoadConfig()
	require.NoError(t, err)
	require.Equal(t, []int{1 << 21, 1 << 30, 1 << 18}, []int{cfg.MaxCalls, int(cfg.MaxBytes), cfg.ModelCalls})
	require.Equal(t, []string{"api.openai.com=OPENAI_API_KEY"}, cfg.KeyHosts)
	require.Empty(t, cfg.AllowHosts)
	t.Setenv("MYRIAD_LLMPROXY_KEY_HOSTS", "a.example=A_KEY,b.example=B_KEY")
	t.Setenv("MYRIAD_LLMPROXY_TIMEOUT", "7s")
	cfg, err = LoadConfig()
	require.NoError(t, err)
	require.Equal(t, []string{"a.example=A_KEY", "b.example=B_KEY"}, cfg.KeyHosts)
	require.Equal(t, 7*time.Second, cfg.Timeout)
	for _, name := range []string{"MYRIAD_LLMPROXY_MAX_CALLS", "MYRIAD_LLMPROXY_MAX_BYTES", "MYRIAD_LLMPROXY_MODEL_CALLS"} {
		t.Setenv(name, "0")
		_, err = LoadConfig()
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorContains(t, err, name)
		t.Setenv(name, "1")
	}
}
