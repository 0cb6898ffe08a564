package bgen

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

const patience = 20 * time.Second

func defaults(t *testing.T) Config {
	cfg, err := env.ParseAsWithOptions[Config](env.Options{Prefix: EnvPrefix})
	require.NoError(t, err)
	return cfg
}

// start runs a service against a server of its own until the end of the test. The connection is a requester's.
func start(t *testing.T, change ...func(*Config)) (*Service, *nats.Conn, jetstream.JetStream) {
	srv := natstest.Start(t)
	cfg := defaults(t)
	for _, c := range change {
		c(&cfg)
	}
	s, err := New(srv.Connect(t), natstest.Logger(t), cfg)
	require.NoError(t, err)
	require.NoError(t, s.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, s.Stop(context.Background())) })
	return s, srv.Connect(t), srv.JetStream(t)
}

func spec(seed uint64) population.Spec {
	return population.Spec{Size: 1000, Seed: seed, Generator: population.GeneratorTemplate, Distributions: []population.Dist{
		{Name: "education", Categories: []string{"high school", "Ph.D."}, Proportions: []float64{0.8, 0.2}},
	}}
}

// asked is what became of a request made on another goroutine.
type asked struct {
	reply remote.Reply
	err   error
}

// ask makes a request aside. Beats gets a value with each partial reply.
func ask(t *testing.T, nc *nats.Conn, s population.Spec) (answer <-chan asked, beats <-chan struct{}) {
	out, progress := make(chan asked, 1), make(chan struct{}, 100)
	var wg sync.WaitGroup
	wg.Go(func() {
		r, err := remote.Request(t.Context(), nc, s, func(int, int) { progress <- struct{}{} })
		out <- asked{r, err}
	})
	t.Cleanup(wg.Wait)
	return out, progress
}

func (s *Service) waiting() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admitted
}

// admits waits until n requests are taken on.
func admits(t *testing.T, s *Service, n int) {
	require.Eventually(t, func() bool { return s.waiting() == n }, patience, time.Millisecond)
}

func TestPopulate(t *testing.T) {
	s, nc, js := start(t)
	r, err := remote.Request(t.Context(), nc, spec(1), nil)
	require.NoError(t, err)
	require.False(t, r.Reused)
	require.Equal(t, spec(1).Hash(), r.Hash)
	require.Equal(t, 1000, r.Certificate.Size)
	require.Zero(t, r.Certificate.Margins[0].TotalVariation)
	require.GreaterOrEqual(t, r.Certificate.Distinct, 990)

	p, err := remote.Load(t.Context(), js, r.Hash)
	require.NoError(t, err)
	want, err := population.Draw(t.Context(), spec(1), nil)
	require.NoError(t, err)
	require.Equal(t, want.Encode(), p.Encode())
	store, err := js.ObjectStore(t.Context(), subjects.StorePersonas)
	require.NoError(t, err)
	info, err := store.GetInfo(t.Context(), r.Object)
	require.NoError(t, err)
	require.EqualValues(t, r.Bytes, info.Size)

	again, err := remote.Request(t.Context(), nc, spec(1), nil)
	require.NoError(t, err)
	require.True(t, again.Reused)
	again.Reused = false
	require.Equal(t, r, again)

	other, err := remote.Request(t.Context(), nc, spec(2), nil)
	require.NoError(t, err)
	require.False(t, other.Reused)
	require.NotEqual(t, r.Hash, other.Hash)
	require.Equal(t, Usage{Drawn: 2, Reused: 1, Agents: 2000}, s.usage.read())
}

func TestDamagedPopulationIsReplaced(t *testing.T) {
	_, nc, js := start(t)
	store, err := js.ObjectStore(t.Context(), subjects.StorePersonas)
	require.NoError(t, err)
	other, err := population.Draw(t.Context(), spec(2), nil)
	require.NoError(t, err)
	for _, damage := range [][]byte{{}, []byte("junk"), other.Encode()} {
		_, err = store.PutBytes(t.Context(), spec(1).Hash(), damage)
		require.NoError(t, err)
		r, err := remote.Request(t.Context(), nc, spec(1), nil)
		require.NoError(t, err)
		require.False(t, r.Reused)
		_, err = remote.Load(t.Context(), js, r.Hash)
		require.NoError(t, err)
	}
}

func TestJSON(t *testing.T) {
	_, nc, _ := start(t)
	m, err := nc.RequestMsgWithContext(t.Context(), &nats.Msg{
		Subject: "myriad.svc.bgen.populate", Header: nats.Header{"Content-Type": {"application/json"}},
		Data: []byte(`{"v":1,"spec":{"size":10,"distributions":[{"name":"a","categories":["x","y"],"proportions":[0.3,0.7]}]}}`),
	})
	require.NoError(t, err)
	require.Equal(t, "application/json", m.Header.Get("Content-Type"))
	var r remote.Reply
	require.NoError(t, json.Unmarshal(m.Data, &r))
	require.Len(t, r.Hash, 64)
	require.Equal(t, 10, r.Certificate.Size)
}

func TestBadRequests(t *testing.T) {
	s, nc, _ := start(t)
	for name, c := range map[string]struct {
		contentType, data, code, says string
	}{
		"sum":     {"application/json", `{"v":1,"spec":{"size":10,"distributions":[{"name":"a","categories":["x"],"proportions":[0.3]}]}}`, "400", "sum to 0.3"},
		"size":    {"application/json", `{"v":1,"spec":{"size":0}}`, "400", "size is 0"},
		"syntax":  {"application/json", `{"v":1`, "400", "EOF"},
		"typo":    {"application/json", `{"v":1,"spec":{"sice":3}}`, "400", "sice"},
		"version": {"application/json", `{"v":7}`, "400", "version 7"},
		"newline": {"application/json", `{"v":1,"spec":{"size":1,"generator":"a\nb\u0000"}}`, "400", "unknown"},
		"type":    {"text/plain", `hello`, "415", "text/plain"},
		"msgpack": {"", "\x93\x01", "400", "cut short"},
		"claim":   {"", "\x81\xa4spec\x81\xaddistributions\xdd\xff\xff\xff\xff", "400", "claims more"},
		"empty":   {"", "", "400", "cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			req := &nats.Msg{Subject: subjects.Service("bgen", "populate"), Data: []byte(c.data)}
			if c.contentType != "" {
				req.Header = nats.Header{"Content-Type": {c.contentType}}
			}
			m, err := nc.RequestMsgWithContext(t.Context(), req)
			require.NoError(t, err)
			require.Equal(t, c.code, m.Header.Get("Nats-Service-Error-Code"))
			require.Contains(t, m.Header.Get("Nats-Service-Error"), c.says)
			format, err := remote.ParseFormat(m.Header.Get("Content-Type"))
			require.NoError(t, err)
			require.Equal(t, c.contentType == "application/json", format == remote.JSON)
			if format == remote.JSON {
				var f remote.Failure
				require.NoError(t, json.Unmarshal(m.Data, &f))
				require.Equal(t, c.code, f.Code)
				require.Contains(t, f.Error, c.says)
			}
		})
	}
	// A request that cannot be answered is ignored, and the next one is served.
	require.NoError(t, nc.Publish(subjects.Service("bgen", "populate"), []byte("nobody asks")))
	_, err := remote.Request(t.Context(), nc, spec(1), nil)
	require.NoError(t, err)
	require.Equal(t, Usage{Drawn: 1, Refused: 10, Agents: 1000}, s.usage.read())
}

func TestStatistics(t *testing.T) {
	_, nc, _ := start(t)
	_, err := remote.Request(t.Context(), nc, spec(1), nil)
	require.NoError(t, err)
	_, err = nc.RequestWithContext(t.Context(), subjects.Service("bgen", "populate"), []byte("junk"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		m, err := nc.Request("$SRV.STATS.bgen", nil, patience)
		require.NoError(t, err)
		var stats micro.Stats
		require.NoError(t, json.Unmarshal(m.Data, &stats))
		require.Len(t, stats.Endpoints, 1)
		e := stats.Endpoints[0]
		require.Equal(t, "myriad.svc.bgen.populate", e.Subject)
		require.Equal(t, "bgen", e.QueueGroup)
		var u Usage
		require.NoError(t, json.Unmarshal(e.Data, &u))
		require.Equal(t, Usage{Drawn: 1, Refused: 1, Agents: 1000}, u)
		// The library counts a request a moment after it was answered.
		return e.NumRequests == 2 && e.NumErrors == 1
	}, patience, 10*time.Millisecond)
}

func TestRequestersHearThatBgenLives(t *testing.T) {
	s, nc, _ := start(t)
	release := s.drawing.acquire(spec(1).Hash())
	answer, beats := ask(t, nc, spec(1))
	<-beats
	<-beats
	release()
	got := <-answer
	require.NoError(t, got.err)
	require.Equal(t, spec(1).Hash(), got.reply.Hash)
}

func TestEqualRequestsShareOneDraw(t *testing.T) {
	s, nc, _ := start(t)
	release := s.drawing.acquire(spec(1).Hash())
	var answers []<-chan asked
	for range 6 {
		a, _ := ask(t, nc, spec(1))
		answers = append(answers, a)
	}
	admits(t, s, 6)
	other, err := remote.Request(t.Context(), nc, spec(2), nil)
	require.NoError(t, err, "others need not wait")
	require.False(t, other.Reused)
	release()
	drawn := 0
	for _, a := range answers {
		got := <-a
		require.NoError(t, got.err)
		if !got.reply.Reused {
			drawn++
		}
	}
	require.Equal(t, 1, drawn)
	require.Empty(t, s.drawing.held)
	require.Zero(t, s.waiting())
}

func TestFullQueueIsSaid(t *testing.T) {
	s, nc, _ := start(t, func(c *Config) { c.Workers, c.Queue = 1, 1 })
	s.workers <- struct{}{} // as if a draw took the only worker
	first, _ := ask(t, nc, spec(1))
	second, _ := ask(t, nc, spec(2))
	admits(t, s, 2)
	_, err := remote.Request(t.Context(), nc, spec(3), nil)
	require.ErrorIs(t, err, remote.ErrUnavailable)
	require.ErrorContains(t, err, remote.CodeBusy)
	<-s.workers
	require.NoError(t, (<-first).err)
	require.NoError(t, (<-second).err)
	_, err = remote.Request(t.Context(), nc, spec(3), nil)
	require.NoError(t, err)
}

func TestStopFinishesWhatItHas(t *testing.T) {
	s, nc, _ := start(t)
	s.workers <- struct{}{}
	s.workers <- struct{}{}
	answer, _ := ask(t, nc, spec(1))
	admits(t, s, 1)
	stopped := make(chan error, 1)
	go func() { stopped <- s.Stop(t.Context()) }()
	require.Eventually(t, func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.stopping
	}, patience, time.Millisecond)
	require.Empty(t, stopped)
	<-s.workers
	require.NoError(t, <-stopped)
	require.NoError(t, (<-answer).err)
	_, err := remote.Request(t.Context(), nc, spec(1), nil)
	require.ErrorIs(t, err, remote.ErrUnavailable)
	require.NoError(t, s.Stop(t.Context()), "again")
}

func TestStopGivesUpInTime(t *testing.T) {
	s, nc, _ := start(t)
	s.workers <- struct{}{}
	s.workers <- struct{}{}
	answer, _ := ask(t, nc, spec(1))
	admits(t, s, 1)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, s.Stop(ctx))
	got := <-answer
	require.ErrorIs(t, got.err, remote.ErrUnavailable)
	require.ErrorContains(t, got.err, "stopping")
}

// A store that does not answer is an error in bounded time, and the requester hears it.
func TestStoreFailureIsSaid(t *testing.T) {
	s, nc, js := start(t, func(c *Config) { c.StoreTimeout = 300 * time.Millisecond })
	require.NoError(t, js.DeleteObjectStore(t.Context(), subjects.StorePersonas))
	_, err := remote.Request(t.Context(), nc, spec(1), nil)
	require.ErrorIs(t, err, remote.ErrUnavailable)
	require.ErrorContains(t, err, remote.CodeInternal)
	require.Equal(t, Usage{Failed: 1}, s.usage.read())
}

func TestStartNeedsTheStore(t *testing.T) {
	srv := natstest.Start(t)
	require.NoError(t, srv.JetStream(t).DeleteObjectStore(t.Context(), subjects.StorePersonas))
	s, err := New(srv.Connect(t), natstest.Logger(t), defaults(t))
	require.NoError(t, err)
	require.ErrorIs(t, s.Start(t.Context()), jetstream.ErrBucketNotFound)
	require.NoError(t, s.Stop(t.Context()))
}

func TestStartOnce(t *testing.T) {
	s, _, _ := start(t)
	require.Error(t, s.Start(t.Context()))
}

func TestConfig(t *testing.T) {
	t.Setenv("MYRIAD_BGEN_WORKERS", "3")
	t.Setenv("MYRIAD_BGEN_STORE_TIMEOUT", "5s")
	require.Equal(t, Config{Workers: 3, Queue: 64, StoreTimeout: 5 * time.Second}, defaults(t))
	for name, change := range map[string]func(*Config){
		"WORKERS":       func(c *Config) { c.Workers = 0 },
		"QUEUE":         func(c *Config) { c.Queue = -1 },
		"STORE_TIMEOUT": func(c *Config) { c.StoreTimeout = 0 },
	} {
		cfg := defaults(t)
		change(&cfg)
		_, err := New(nil, natstest.Logger(t), cfg)
		require.ErrorIs(t, err, ErrConfig)
		require.ErrorContains(t, err, EnvPrefix+name)
	}
}
