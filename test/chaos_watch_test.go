package test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func chaosLog(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
}

// chaosWatch follows the log of a run, to see who works.
type chaosWatch struct {
	run    string
	stop   func()
	mu     sync.Mutex
	fold   *runlog.Fold
	wrote  map[string]bool // writers of answers and of control records
	leased map[string]bool // incarnations that were ever given shards
}

func watchChaos(t testing.TB, c *chaos, run string) *chaosWatch {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	w := &chaosWatch{run: run, fold: runlog.NewFold(run, runlog.WithColumns()), wrote: map[string]bool{}, leased: map[string]bool{}}
	c.watch = w
	done := make(chan error, 1)
	go func() {
		done <- runlog.Follow(ctx, c.js, 0, runlog.RunSubjects(run), nil, func(e runlog.Entry) error {
			w.mu.Lock()
			defer w.mu.Unlock()
			h, err := w.fold.Apply(e)
			w.wrote[h.Writer] = true
			for _, g := range w.fold.Grants {
				w.leased[g.Incarnation] = true
			}
			return err
		})
	}()
	w.stop = sync.OnceFunc(func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled, "the log as one who follows it sees it")
	})
	t.Cleanup(w.stop)
	return w
}

func (w *chaosWatch) over() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fold.Phase.Over()
}

func (w *chaosWatch) hasWritten(writer string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.wrote[writer]
}

func (w *chaosWatch) phase() runlog.Phase {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.fold.Phase
}

// incarnations are those that were given shards until now.
func (w *chaosWatch) incarnations() map[string]bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make(map[string]bool, len(w.leased))
	for i := range w.leased {
		out[i] = true
	}
	return out
}

// hostWorks reports whether a host has shards in a life after those of before, and has appended an answer or is not asked for any.
func (w *chaosWatch) hostWorks(id string, before map[string]bool) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	has, wrote, open := false, false, false
	for shard, g := range w.fold.Grants {
		if g.Host != id || before[g.Incarnation] {
			continue
		}
		has, wrote = true, wrote || w.wrote[g.Incarnation]
		first, end := w.fold.ShardAgents(shard)
		for _, column := range w.fold.Columns() {
			for _, s := range column.Status[first:end] {
				open = open || s == stats.StatusNone && w.fold.Phase == runlog.PhaseOpen
			}
		}
	}
	return has && (wrote || !open)
}

// lookOut watches for the moment at which the life of a part that has just begun does its work.
func (c *chaos) lookOut(t testing.TB, p *part) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	p.looking = func() {
		cancel()
		<-done
	}
	p.works = make(chan time.Time, 1)
	check := c.check(p)
	works := p.works
	go func() {
		defer close(done)
		look := time.NewTicker(often)
		defer look.Stop()
		for !c.watch.over() {
			once, cancel := context.WithTimeout(ctx, time.Second)
			ok := check(once)
			cancel()
			if ok {
				break
			}
			select {
			case <-ctx.Done():
				return
			case <-look.C:
			}
		}
		works <- time.Now()
	}()
	t.Cleanup(p.looking)
}

// check says what it means that a part works. Its last life must have done it.
func (c *chaos) check(p *part) func(context.Context) bool {
	id := fmt.Sprintf("%s-%d", p.name, p.lives)
	switch p.name {
	case "broker": // it syncs what it is given, and acknowledges it
		return func(ctx context.Context) bool {
			_, err := c.js.Publish(ctx, "chaos.probe", []byte(id))
			return err == nil
		}
	case "llmproxy": // it answers calls; there is no other
		return c.answersCalls
	case "environment": // it can be reached, and the run does not wait for a world
		return func(ctx context.Context) bool {
			return c.environmentAnswers(ctx, id) && c.watch.phase() != runlog.PhaseClosed
		}
	case "coordinator": // its HTTP is ready, and it drives the run: it has decided, or counts the answers
		return func(ctx context.Context) bool { return c.coordinatorDrives(ctx, id) }
	}
	before := c.watch.incarnations()
	return func(context.Context) bool { return c.watch.hostWorks(p.name, before) }
}

func (c *chaos) environmentAnswers(ctx context.Context, id string) bool {
	m, err := c.nc.RequestWithContext(ctx, "$SRV.PING.environment", nil)
	if err != nil {
		return false
	}
	var pong micro.Ping
	return json.Unmarshal(m.Data, &pong) == nil && pong.Metadata["id"] == id
}

func (c *chaos) coordinatorDrives(ctx context.Context, id string) bool {
	ready, _ := c.fetch(ctx, "/readyz")
	ok, body := c.fetch(ctx, "/v1/runs/"+c.watch.run)
	var info control.Info
	if !ready || !ok || json.Unmarshal(body, &info) != nil {
		return false
	}
	return c.watch.hasWritten(id) || info.State == "running" && info.Answered > 0
}

func (c *chaos) fetch(ctx context.Context, path string) (ok bool, body []byte) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.http+path, nil)
	if err != nil {
		return false, nil
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return false, nil
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return err == nil && resp.StatusCode == http.StatusOK, body
}

// answersCalls makes a call to a model, as a host does.
func (c *chaos) answersCalls(ctx context.Context) bool {
	model, err := msgpack.Marshal(&scenario.Model{Name: "probe", Provider: "dummy"})
	if err != nil {
		return false
	}
	facts := llm.EncodeFacts(&llm.Facts{Question: "probe", Type: scenario.TypeNumber, Max: 1})
	data, err := llm.EncodeRequest(&llm.Request{ID: 1, Run: "probe", Round: 1, Model: model, Facts: facts, Calls: []llm.Call{{}}})
	if err != nil {
		return false
	}
	inbox := nats.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err != nil {
		return false
	}
	defer func() { _ = sub.Unsubscribe() }()
	if c.nc.PublishRequest(subjects.Chat("probe"), inbox, data) != nil {
		return false
	}
	for {
		m, err := sub.NextMsgWithContext(ctx)
		if err != nil || m.Header.Get("Status") != "" {
			return false
		}
		r, err := llm.DecodeResult(m.Data)
		if err != nil || r.Refused != "" {
			return false
		}
		if r.Done {
			return true
		}
	}
}

// accounted reads a log and counts: of every agent exactly one answer to every question of every round is accepted, however
// often it is in the log. It returns the result hash.
func accounted(t testing.TB, js jetstream.JetStream, run string) string {
	t.Helper()
	type key struct{ round, question, agent int }
	times := map[key]int{}
	fold := runlog.NewFold(run, runlog.WithAccept(func(round int, a *runlog.Answers, positions []int) {
		for _, at := range positions {
			times[key{round, a.Question, a.Agents[at]}]++
		}
	}))
	require.NoError(t, runlog.Read(t.Context(), js, 0, runlog.RunSubjects(run), func(e runlog.Entry) error {
		_, err := fold.Apply(e)
		return err
	}))
	require.Equal(t, "finished", fold.Status(), fold.Reason)
	require.Len(t, times, fold.Round*fold.Created.Agents*len(fold.Scenario.Turn), "answers that count")
	for k, n := range times {
		require.Equal(t, 1, n, "agent %d, question %d, round %d", k.agent, k.question, k.round)
	}
	require.Equal(t, fold.Expected, fold.Accepted)
	return hex.EncodeToString(fold.Hash)
}

// fingerprint is the hash of all answers and of what agents were asked for them, which is not part of the result hash.
func fingerprint(t testing.TB, sys *system, st *runlog.State) string {
	t.Helper()
	sum := sha256.New()
	require.NoError(t, results.Rows(t.Context(), sys.js, st, func(r *report.Row) error {
		_, err := fmt.Fprintln(sum, r.Round, r.Agent, r.Question, r.Status, r.Value, r.Raw, r.PromptSHA)
		return err
	}))
	return hex.EncodeToString(sum.Sum(nil))
}
