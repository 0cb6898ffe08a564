package coordinator

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// theatre is a broker with coordinators, and the test in the parts of everybody else: bgen, hosts and the environment.
type theatre struct {
	*testing.T
	srv     *natstest.Server
	nc      *nats.Conn
	js      jetstream.JetStream
	kv      jetstream.KeyValue
	fold    *runlog.Fold
	mu      sync.Mutex
	refuses bool // the population
}

func newTheatre(t *testing.T) *theatre {
	s := &theatre{T: t, srv: natstest.Start(t)}
	s.nc = s.srv.InProcess(t)
	s.js = s.srv.JetStream(t)
	var err error
	s.kv, err = s.js.KeyValue(t.Context(), subjects.BucketHosts)
	require.NoError(t, err)
	sub, err := s.nc.Subscribe(subjects.Service(subjects.ServiceBgen, remote.Endpoint), s.populate)
	require.NoError(t, err)
	require.NoError(t, s.nc.Flush())
	t.Cleanup(func() { _ = sub.Unsubscribe() })
	return s
}

// populate plays bgen.
func (s *theatre) populate(m *nats.Msg) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q, err := remote.Msgpack.DecodeQuery(m.Data)
	if err != nil {
		s.Errorf("query: %v", err)
		return
	}
	answer := nats.NewMsg(m.Reply)
	if s.refuses {
		answer.Header.Set("Nats-Service-Error", "no such people")
		answer.Header.Set("Nats-Service-Error-Code", remote.CodeBad)
		answer.Data, _ = remote.Msgpack.Marshal(remote.Failure{V: remote.Version, Code: remote.CodeBad, Error: "no such people"})
	} else {
		answer.Data, _ = remote.Msgpack.Marshal(remote.Reply{V: remote.Version, Hash: q.Spec.Hash(), Certificate: population.Certificate{Size: q.Spec.Size}})
	}
	_ = s.nc.PublishMsg(answer)
}

// host beats until the test ends or it is called.
func (s *theatre) host(incarnation string) (dies func()) {
	s.Helper()
	return s.beats(hosts.Beat{ID: "host of " + incarnation, Incarnation: incarnation})
}

func (s *theatre) beats(b hosts.Beat) (dies func()) {
	s.Helper()
	incarnation := b.Incarnation
	require.NoError(s, hosts.Put(s.Context(), s.kv, b))
	ctx, cancel := context.WithCancel(context.Background())
	var done sync.WaitGroup
	done.Go(func() {
		t := time.NewTicker(300 * time.Millisecond)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				_ = hosts.Put(ctx, s.kv, b) // fails while the broker is away
			}
		}
	})
	var once sync.Once
	end := func() {
		once.Do(func() {
			cancel()
			done.Wait()
		})
	}
	s.Cleanup(end)
	return func() {
		end()
		require.NoError(s, hosts.Remove(s.Context(), s.kv, incarnation))
	}
}

func (s *theatre) coordinator(id string, adopt bool) *Service {
	s.Helper()
	c, err := New(s.srv.InProcess(s), natstest.Logger(s), Config{ID: id, ShardSize: 2, Adopt: adopt})
	require.NoError(s, err)
	require.NoError(s, c.Start(s.Context()))
	s.Cleanup(func() { s.end(c) })
	return c
}

func (s *theatre) end(c *Service) {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), 10*time.Second)
	defer cancel()
	require.NoError(s, c.Stop(ctx))
}

func (s *theatre) ask(endpoint string, in any) (control.Info, error) {
	ctx, cancel := context.WithTimeout(s.Context(), waitFor)
	defer cancel()
	var out control.Info
	err := control.Ask(ctx, s.nc, endpoint, in, &out)
	return out, err
}

// submit starts a run of four agents with lines added to the scenario.
func (s *theatre) submit(extra string) {
	s.Helper()
	info, err := s.ask(control.Submit, control.Submission{File: "t.yaml", Source: strings.Replace(game, "report:", extra+"\nreport:", 1)})
	require.NoError(s, err)
	require.Equal(s, "created", info.State)
	s.fold = runlog.NewFold(info.ID, runlog.WithAnswers())
}

// until waits until the log says so.
func (s *theatre) until(ok func(*runlog.Fold) bool, what string) {
	s.Helper()
	require.Eventually(s, func() bool {
		s.catchUp()
		return ok(s.fold)
	}, 2*waitFor, pollEvery, what)
	require.False(s, slices.ContainsFunc(s.fold.Faults, func(f runlog.Fault) bool { return f.Who == "" && !strings.HasPrefix(f.What, "paused") }), s.fold.Faults)
}

func (s *theatre) catchUp() {
	s.Helper()
	require.NoError(s, runlog.Read(s.Context(), s.js, s.fold.Seq+1, runlog.RunSubjects(s.fold.Run), func(e runlog.Entry) error {
		_, err := s.fold.Apply(e)
		return err
	}))
}

func (s *theatre) open(round, attempt int) {
	s.Helper()
	s.until(func(f *runlog.Fold) bool {
		return f.Phase == runlog.PhaseOpen && f.Round == round && f.Opened.Attempt == attempt
	},
		fmt.Sprintf("round %d is open", round))
}

func (s *theatre) phase(p runlog.Phase) {
	s.Helper()
	s.until(func(f *runlog.Fold) bool { return f.Phase == p }, fmt.Sprintf("phase %d", p))
}

// answer gives the answers of agents as their hosts would; missing for a negative value.
func (s *theatre) answer(values map[int]float64) {
	s.Helper()
	for agent, v := range values {
		status := stats.Answered
		if v < 0 {
			v, status = 0, stats.Missing
		}
		shard := agent / s.fold.Created.ShardSize
		data, err := runlog.EncodeAnswers(runlog.Header{Run: s.fold.Run, Round: s.fold.Round, Writer: "h", Epoch: s.fold.Grants[shard].Epoch}, &runlog.Answers{
			Shard: shard, Agents: []int{agent}, Status: []stats.Status{status}, Values: []int64{int64(v * 1e6)}, Text: []string{fmt.Sprint(v)},
			TokensIn: []uint32{1}, TokensOut: []uint32{1}, Calls: []uint8{1}, Retries: []uint8{0}, PromptSHA: []uint64{1}, Model: []string{"player"}, Served: []string{""},
		})
		require.NoError(s, err)
		_, err = s.js.Publish(s.Context(), subjects.LogAnswer(s.fold.Run, shard), data)
		require.NoError(s, err)
	}
}

func all(v float64) map[int]float64 { return map[int]float64{0: v, 1: v, 2: v, 3: v} }

// world plays the environment.
func (s *theatre) world(target float64) {
	s.Helper()
	s.phase(runlog.PhaseClosed)
	_, err := runlog.AppendControl(s.Context(), s.js, runlog.Header{Kind: subjects.KindEnvState, Run: s.fold.Run, Round: s.fold.Round, Writer: "env"},
		runlog.EnvState{World: map[string]float64{"target": target}}, s.fold.CtlSeq)
	require.NoError(s, err)
}

// A run from its submission to its end: population, leases, rounds that see the world and the means of the one before.
func TestDriverPlaysARun(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	s.host("i2")
	s.coordinator("c", true)
	s.submit("")
	s.open(1, 0)
	require.Equal(t, population.FromScenario(s.fold.Scenario).Hash(), s.fold.Population)
	require.NotEqual(t, s.fold.Grants[0].Incarnation, s.fold.Grants[1].Incarnation)
	s.answer(map[int]float64{0: 10, 1: 20, 2: 30})
	info, err := s.ask(control.Status, control.Order{Run: s.fold.Run})
	require.NoError(t, err)
	require.Equal(t, "running", info.State)
	s.until(func(f *runlog.Fold) bool { return f.Left() == 1 }, "three answers")
	s.answer(map[int]float64{3: 40})
	s.world(12)
	s.open(2, 0)
	require.Equal(t, map[string]float64{"target": 12}, s.fold.Opened.World)
	require.Equal(t, map[string]float64{"guess": 25}, s.fold.Opened.Means)
	s.answer(all(5))
	s.world(3)
	s.phase(runlog.PhaseFinished)
	require.Equal(t, "all 2 rounds played", s.fold.Reason)
	require.Equal(t, s.fold.Chain, s.fold.Hash)
	require.Equal(t, 3, int(s.fold.Rounds[1].Env.World["target"]))
	require.Eventually(t, func() bool {
		info, err := s.ask(control.Status, control.Order{Run: s.fold.Run})
		return err == nil && info.State == "finished" && info.Hash == fmt.Sprintf("%x", s.fold.Hash) && info.Ended != nil
	}, waitFor, pollEvery)
}

func TestStopRule(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	s.coordinator("c", true)
	s.submit("stop: world.target < 10")
	s.open(1, 0)
	s.answer(all(50))
	s.world(9)
	s.phase(runlog.PhaseFinished)
	require.Equal(t, "stop rule met after round 1: world.target < 10", s.fold.Reason)

	s.submit("stop: world.target / (world.target - 9) > 2") // an infinity
	s.open(1, 0)
	s.answer(all(50))
	s.world(9)
	s.until(func(f *runlog.Fold) bool { return f.Phase.Over() }, "over")
}

// Too few valid answers pause the run, once; a resume goes on with them. Where the scenario says so the run fails, though it
// had been paused for something else before. No valid answer at all pauses, and a resume asks again.
func TestTooFewValidAnswers(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	s.coordinator("c", true)
	paused := func() {
		t.Helper()
		s.until(func(f *runlog.Fold) bool { return f.Paused }, "paused")
	}
	resume := func() {
		t.Helper()
		_, err := s.ask(control.Resume, control.Order{Run: s.fold.Run})
		require.NoError(t, err)
	}
	half := map[int]float64{0: 10, 1: 10, 2: -1, 3: -1}

	s.submit("missing: {min_valid: 0.75, below: pause}")
	s.open(1, 0)
	s.answer(half)
	paused()
	require.Contains(t, s.fold.Reason, "50.0 % of the answers to guess are valid, missing.min_valid is 75.0 %")
	resume()
	s.phase(runlog.PhaseClosed)
	require.Equal(t, 2, s.fold.Rounds[0].Closed.Questions[0].Summary.Valid)

	s.submit("missing: {min_valid: 0.75, below: fail}")
	s.open(1, 0)
	_, err := s.ask(control.Pause, control.Order{Run: s.fold.Run, Reason: "lunch"})
	require.NoError(t, err)
	resume()
	s.answer(half)
	s.phase(runlog.PhaseFailed)
	require.Contains(t, s.fold.Reason, "50.0 %")

	s.submit("")
	s.open(1, 0)
	s.answer(all(-1))
	paused()
	require.Contains(t, s.fold.Reason, "no valid answer to guess from any of 4 agents")
	resume()
	s.open(1, 1)
	s.answer(all(-1))
	paused()
	resume()
	s.open(1, 2)
	s.answer(all(7))
	s.world(7)
	s.open(2, 0)
}

// Two coordinators drive one run, and one of them goes away and another comes, in the middle of a round: every record is
// there once.
func TestSeveralCoordinators(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	first, second := s.coordinator("c1", true), s.coordinator("c2", true)
	s.submit("")
	s.open(1, 0)
	s.answer(all(5))
	s.world(5)
	s.open(2, 0)
	s.answer(map[int]float64{0: 1, 1: 1})
	s.end(first)
	s.end(second)
	s.answer(map[int]float64{2: 1}) // nobody is there to see it
	s.coordinator("c3", true)
	s.answer(map[int]float64{3: 1})
	s.world(1)
	s.phase(runlog.PhaseFinished)
	kinds := map[string]int{}
	require.NoError(t, runlog.Read(t.Context(), s.js, 0, []string{subjects.LogCtlAll(s.fold.Run)}, func(e runlog.Entry) error {
		at, err := subjects.ParseLog(e.Subject)
		kinds[at.Kind]++
		return err
	}))
	delete(kinds, "fault") // that there was no coordinator for a while
	require.Equal(t, map[string]int{"created": 1, "populated": 1, "lease": 1, "opened": 2, "closed": 2, "env.state": 2, "finished": 1}, kinds)
}

// A coordinator that does not adopt leaves unfinished runs alone until they are resumed, and plays new ones.
func TestHeldRuns(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	c := s.coordinator("c1", true)
	s.submit("")
	s.open(1, 0)
	old := s.fold
	s.end(c)
	s.coordinator("c2", false)
	s.answer(all(5))
	s.submit("")
	s.open(1, 0)
	s.fold = old
	s.catchUp()
	require.Equal(t, runlog.PhaseOpen, s.fold.Phase, "complete, and not closed")
	info, err := s.ask(control.Resume, control.Order{Run: s.fold.Run})
	require.NoError(t, err)
	require.Equal(t, "running", info.State)
	s.world(5)
	s.open(2, 0)
}

// The shards of a host that is gone go to one that lives; without any the run waits.
func TestHostsComeAndGo(t *testing.T) {
	s := newTheatre(t)
	s.coordinator("c", true)
	s.submit("")
	s.until(func(f *runlog.Fold) bool { return f.Population != "" }, "populated")
	dies := s.host("i1")
	s.open(1, 0)
	s.answer(map[int]float64{0: 5})
	s.until(func(f *runlog.Fold) bool { return f.Left() == 3 }, "an answer")
	dies()
	s.host("i2")
	s.until(func(f *runlog.Fold) bool { return f.Grants[0].Incarnation == "i2" && f.Grants[1].Incarnation == "i2" }, "taken over")
	require.Equal(t, 2, s.fold.Takeovers)
	s.answer(map[int]float64{1: 5, 2: 5, 3: 5})
	s.phase(runlog.PhaseClosed)
}

// A broker that goes away leaves the coordinator able to go on.
func TestDriverSurvivesTheBroker(t *testing.T) {
	s := newTheatre(t)
	s.host("i1")
	s.coordinator("c", true)
	s.submit("")
	s.open(1, 0)
	s.srv.Kill(t)
	s.srv.Restart(t)
	require.Eventually(t, s.nc.IsConnected, waitFor, pollEvery)
	s.answer(all(5))
	s.world(5)
	s.open(2, 0)
}

// What bgen refuses ends the run.
func TestPopulationIsRefused(t *testing.T) {
	s := newTheatre(t)
	s.refuses = true
	s.coordinator("c", true)
	s.submit("")
	s.phase(runlog.PhaseFailed)
	require.Contains(t, s.fold.Reason, "no such people")
}
