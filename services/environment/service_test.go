package environment_test

import (
	"encoding/json"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/internal/wire"
	shared "github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment"
)

const pair = `
version: 1
name: pair
population: {size: 2}
models: {p: {provider: dummy}}
agents: {all: {model: p}}
turn:
  - {id: guess, ask: "?", answer: {type: number, min: 0, max: 100}}
update: {world: {target: "mean(answers.guess)"}}
`

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

// The environment appends the next state once, however many of them run, and projects it into the bucket.
func TestServicesFoldAClosedRoundOnce(t *testing.T) {
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	for range 2 {
		svc, err := environment.New(srv.Connect(t), natstest.Logger(t), environment.Config{})
		require.NoError(t, err)
		require.NoError(t, svc.Start(t.Context()))
		t.Cleanup(func() { require.NoError(t, svc.Stop(t.Context())) })
	}
	fold, closed := answered(t, srv)
	appendCtl(t, srv, fold, subjects.KindClosed, 1, 0, closed)

	require.Eventually(t, func() bool {
		catchUp(t, srv, fold)
		return fold.Phase == runlog.PhaseReady
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, map[string]float64{"target": 20}, fold.World)

	kv, err := js.KeyValue(t.Context(), subjects.BucketEnv)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		e, err := kv.Get(t.Context(), subjects.Encode("r1")+".world")
		if err != nil {
			return false
		}
		var p struct{ World map[string]float64 }
		return json.Unmarshal(e.Value(), &p) == nil && p.World["target"] == 20
	}, 10*time.Second, 10*time.Millisecond)
}

// answered is run r1 with a round that has all its answers, and what closes it.
func answered(t *testing.T, srv *natstest.Server) (*runlog.Fold, runlog.Closed) {
	t.Helper()
	js := srv.JetStream(t)
	fold := runlog.NewFold("r1", runlog.WithAnswers())
	appendCtl(t, srv, fold, subjects.KindCreated, 0, 0, runlog.Created{Name: "pair", File: "pair.yaml", Source: []byte(pair), Agents: 2, ShardSize: 2})
	appendCtl(t, srv, fold, subjects.KindPopulated, 0, 0, runlog.Populated{Population: "p"})
	appendCtl(t, srv, fold, subjects.KindLease, 0, 1, runlog.Lease{Host: "h", Incarnation: "i", Ranges: []runlog.Range{{First: 0, End: 1}}})
	appendCtl(t, srv, fold, subjects.KindOpened, 1, 0, runlog.Opened{})
	answers, err := runlog.EncodeAnswers(runlog.Header{Run: "r1", Round: 1, Writer: "i", Epoch: 1}, &runlog.Answers{
		Agents: []int{0, 1}, Status: []stats.Status{stats.Answered, stats.Answered}, Values: []int64{10_000_000, 30_000_000},
		Text: []string{"10", "30"}, TokensIn: make([]uint32, 2), TokensOut: make([]uint32, 2), Calls: []uint8{1, 1}, Retries: make([]uint8, 2),
		PromptSHA: make([]uint64, 2), Model: []string{"p", "p"}, Served: []string{"", ""},
	})
	require.NoError(t, err)
	_, err = js.Publish(t.Context(), subjects.LogAnswer("r1", 0), answers)
	require.NoError(t, err)
	catchUp(t, srv, fold)
	closed, err := fold.Close()
	require.NoError(t, err)
	return fold, closed
}

func appendCtl(t *testing.T, srv *natstest.Server, fold *runlog.Fold, kind string, round int, epoch uint64, body any) {
	t.Helper()
	h := runlog.Header{Kind: kind, Run: fold.Run, Round: round, Writer: "test", Epoch: epoch}
	_, err := runlog.AppendControl(t.Context(), srv.JetStream(t), h, body, fold.CtlSeq)
	require.NoError(t, err)
	catchUp(t, srv, fold)
}

// follows waits until the service has been given all there is of a run.
func follows(t *testing.T, srv *natstest.Server, fold *runlog.Fold) {
	t.Helper()
	stream, err := srv.JetStream(t).Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		list := stream.ListConsumers(t.Context())
		reads := false
		for c := range list.Info() {
			reads = reads || slices.Equal(c.Config.FilterSubjects, runlog.RunSubjects(fold.Run)) && c.Delivered.Stream >= fold.Seq
		}
		return list.Err() == nil && reads
	}, 10*time.Second, 10*time.Millisecond)
}

// Whatever is on record right behind the closing of a round, such as a fault that somebody saw, the world comes after it.
func TestAFaultBetweenAClosingAndItsWorld(t *testing.T) {
	srv := natstest.Start(t)
	fold, closed := answered(t, srv)
	svc, err := environment.New(srv.Connect(t), natstest.Logger(t), environment.Config{})
	require.NoError(t, err)
	require.NoError(t, svc.Start(t.Context()))
	t.Cleanup(func() { require.NoError(t, svc.Stop(t.Context())) })
	follows(t, srv, fold)
	var both []*nats.Msg // in one batch, so that nothing comes between them
	for _, r := range []struct {
		kind string
		body any
	}{
		{subjects.KindClosed, closed}, {subjects.KindFault, runlog.FaultNote{At: time.Now(), Until: time.Now(), Who: "broker", What: "was away"}},
	} {
		data, err := runlog.Encode(runlog.Header{Kind: r.kind, Run: "r1", Round: 1, Writer: "test"}, r.body)
		require.NoError(t, err)
		both = append(both, &nats.Msg{Subject: subjects.LogCtl("r1", r.kind), Data: data})
	}
	_, err = bus.PublishBatch(t.Context(), srv.Connect(t), both)
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		catchUp(t, srv, fold)
		return fold.Phase == runlog.PhaseReady
	}, 10*time.Second, 10*time.Millisecond)
	require.Equal(t, map[string]float64{"target": 20}, fold.World)
}

// A service answers for environments, with the kinds it was given, and for hubs; started and stopped again and again it leaves
// nothing behind.
func TestServiceServesEnvironmentsAndHubs(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.Connect(t)
	kinds := shared.NewRegistry().Add("counter", func([]byte) (*shared.Code, error) {
		return &shared.Code{Functions: map[string]shared.Function{"up": {
			Do: func(tx shared.Tx, _ shared.Args) (any, error) { return tx.Call("incr", map[string]any{"key": "n"}) },
		}}}, nil
	})
	w := shared.NewClient(srv.Connect(t), "r").Env("w")
	for i := range 5 {
		svc, err := environment.New(nc, natstest.Logger(t), environment.Config{Kinds: kinds})
		require.NoError(t, err)
		require.NoError(t, svc.Start(t.Context()))
		require.NoError(t, w.Create(t.Context(), "counter", nil))
		out, err := w.Call(t.Context(), "up", nil)
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(i+1), out.String())
		_, err = wire.Ask(t.Context(), nc, subjects.HubCall("r", "h", "create"), wire.Request{})
		require.NoError(t, err)
		require.NoError(t, svc.Stop(t.Context()))
		require.NoError(t, svc.Stop(t.Context()))
	}
}

func catchUp(t *testing.T, srv *natstest.Server, fold *runlog.Fold) {
	t.Helper()
	err := runlog.Read(t.Context(), srv.JetStream(t), fold.Seq+1, runlog.RunSubjects(fold.Run), func(e runlog.Entry) error {
		_, err := fold.Apply(e)
		return err
	})
	require.NoError(t, err)
}
