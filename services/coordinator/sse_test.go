package coordinator

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

type event struct {
	kind, id string
	data     map[string]any
}

// listener reads the events of a run.
type listener struct {
	t    *testing.T
	body io.ReadCloser
	in   *bufio.Reader
}

func (k *stack) listenTo(run, after string) *listener {
	k.t.Helper()
	r := k.request(http.MethodGet, "/v1/runs/"+run+"/events", "")
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	res, err := client.Do(r)
	require.NoError(k.t, err)
	k.t.Cleanup(func() { _ = res.Body.Close() })
	require.Equal(k.t, http.StatusOK, res.StatusCode)
	require.Equal(k.t, "text/event-stream", res.Header.Get("Content-Type"))
	l := &listener{t: k.t, body: res.Body, in: bufio.NewReader(res.Body)}
	line, err := l.in.ReadString('\n')
	require.NoError(k.t, err)
	require.Equal(k.t, "retry: 1000\n", line)
	return l
}

// next returns the next event; false at the end of the stream.
func (l *listener) next() (event, bool) {
	l.t.Helper()
	e := event{}
	for {
		line, err := l.in.ReadString('\n')
		if err != nil {
			require.ErrorIs(l.t, err, io.EOF)
			return e, false
		}
		line = strings.TrimSuffix(line, "\n")
		switch name, value, _ := strings.Cut(line, ": "); name {
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "data":
			require.NoError(l.t, json.Unmarshal([]byte(value), &e.data), value)
		case "":
			if e.kind != "" {
				return e, true
			}
		}
	}
}

// until reads up to an event of a kind.
func (l *listener) until(kind string) (event, []string) {
	l.t.Helper()
	var kinds []string
	for {
		e, ok := l.next()
		require.True(l.t, ok, "the stream ended after %v", kinds)
		kinds = append(kinds, e.kind)
		if e.kind == kind {
			return e, kinds
		}
	}
}

func (l *listener) rest() []event {
	l.t.Helper()
	var out []event
	for {
		e, ok := l.next()
		if !ok {
			return out
		}
		out = append(out, e)
	}
}

func kinds(events []event) []string {
	var out []string
	for _, e := range events {
		out = append(out, e.kind)
	}
	return out
}

func TestEventsReplayTheWholeRunAndEnd(t *testing.T) {
	k := newStack(t)
	w := k.played("done-1")
	k.start()
	events := k.listenTo("done-1", "").rest()
	require.Equal(t, []string{
		"created", "populated", "lease", "opened", "closed", "env.state", "opened", "closed", "env.state", "finished",
	}, kinds(events))
	last := uint64(0)
	for _, e := range events {
		seq, err := strconv.ParseUint(e.id, 10, 64)
		require.NoError(t, err)
		require.Greater(t, seq, last)
		require.InDelta(t, seq, e.data["seq"], 0)
		require.Equal(t, "done-1", e.data["run"])
		at, err := time.Parse(time.RFC3339, e.data["time"].(string))
		require.NoError(t, err)
		require.WithinDuration(t, time.Now(), at, time.Minute)
		last = seq
	}
	require.Equal(t, w.fold.CtlSeq, last)
	require.Equal(t, "guess", events[0].data["name"])
	require.NotContains(t, events[0].data, "source")
	require.NotEmpty(t, events[1].data["population"])
	require.Equal(t, "h", events[2].data["host"])
	guess := events[4].data["questions"].(map[string]any)["guess"].(map[string]any)
	require.InDelta(t, 15, guess["mean"], 1e-12)
	require.InDelta(t, 2, events[7].data["round"], 0)
	require.InDelta(t, 10, events[8].data["world"].(map[string]any)["target"], 1e-12)
	require.Equal(t, "all played", events[9].data["reason"])
	require.Equal(t, events[7].data["result_hash"], events[9].data["result_hash"])
	require.Len(t, events[9].data["result_hash"], 64)
	require.Equal(t, decode[runDetail](t, k.get("/v1/runs/done-1")).Hash, events[9].data["result_hash"])
}

func TestEventsGoOnAfterTheLastOne(t *testing.T) {
	k := newStack(t)
	k.played("done-1")
	k.start()
	all := k.listenTo("done-1", "").rest()
	for i, e := range all[:len(all)-1] {
		require.Equal(t, kinds(all[i+1:]), kinds(k.listenTo("done-1", e.id).rest()))
	}
	for _, id := range []string{all[len(all)-1].id, "999999999"} { // an EventSource that is told 204 does not come back
		r := k.request(http.MethodGet, "/v1/runs/done-1/events", "")
		r.Header.Set("Last-Event-ID", id)
		res := k.do(r)
		require.Equal(t, http.StatusNoContent, res.StatusCode)
		require.Empty(t, res.text)
	}
	r := k.request(http.MethodGet, "/v1/runs/done-1/events", "")
	r.Header.Set("Last-Event-ID", "x")
	p := requireProblem(t, k.do(r), http.StatusUnprocessableEntity, "invalid")
	require.Equal(t, "header.Last-Event-ID", p.Errors[0].Location)
	requireProblem(t, k.get("/v1/runs/nobody/events"), http.StatusNotFound, "not_found")
}

func TestEventsTellProgressBetweenOpenedAndClosed(t *testing.T) {
	k := newStack(t)
	w := k.write("open-1")
	w.begin(4)
	k.start()
	l := k.listenTo("open-1", "")
	l.until("lease")
	w.open(1)
	w.answers(1, 0, 0, 1, 5, "5")
	e, seen := l.until("progress")
	require.Equal(t, "opened", seen[0])
	require.Empty(t, e.id, "progress does not move the place a client resumes from")
	for e.data["answered"].(float64) != 1 { // the first may be older than the answer
		e, _ = l.until("progress")
	}
	require.InDelta(t, 1, e.data["round"], 0)
	require.InDelta(t, 4, e.data["expected"], 0)
	began := time.Now()
	told := 0
	for agent := 1; agent < 4; agent++ {
		w.answers(1, 0, agent, agent+1, 5, "5")
		for e.data["answered"].(float64) < float64(agent+1) {
			e, _ = l.until("progress")
			told++
		}
	}
	require.LessOrEqual(t, told, 1+int(time.Since(began)/progressEvery)+1)
	w.close(1)
	_, seen = l.until("env.state")
	require.Equal(t, []string{"closed", "env.state"}, seen)

	// One who comes in the middle of a round hears of it too.
	w.open(2)
	opened, _ := l.until("opened")
	late := k.listenTo("open-1", opened.id)
	e, seen = late.until("progress")
	require.Equal(t, []string{"progress"}, seen)
	require.InDelta(t, 2, e.data["round"], 0)
	w.control(subjects.KindCancelled, 2, runlog.Reason{Reason: "enough"})
	for _, l := range []*listener{l, late} {
		rest := l.rest()
		require.Equal(t, "cancelled", rest[len(rest)-1].kind)
	}
}

func TestEventsFollowAPausedRun(t *testing.T) {
	k := newStack(t)
	k.start()
	id := decode[control.Info](t, k.post("/v1/runs", game)).ID
	l := k.listenTo(id, "")
	l.until("created")
	for _, verb := range []string{"pause", "resume", "cancel"} {
		require.Equal(t, http.StatusOK, k.post("/v1/runs/"+id+"/"+verb, "").StatusCode)
	}
	require.Equal(t, []string{"paused", "resumed", "cancelled"}, kinds(l.rest()))
}

func TestEventStreamsEndWhenTheCoordinatorStops(t *testing.T) {
	k := newStack(t)
	k.write("open-1").begin(4)
	k.start()
	l := k.listenTo("open-1", "")
	l.until("lease")
	began := time.Now()
	k.stop()
	require.Less(t, time.Since(began), 2*time.Second)
	require.Empty(t, l.rest())
}

func TestEventStreamsEndWithTheirClient(t *testing.T) {
	k := newStack(t)
	k.write("open-1").begin(4)
	k.start()
	l := k.listenTo("open-1", "")
	l.until("lease")
	require.Equal(t, 1, connections(k.svc.http))
	require.NoError(t, l.body.Close())
	require.Eventually(t, func() bool { return connections(k.svc.http) == 0 }, waitFor, pollEvery)
}

func TestHeadOfEventsDoesNotWait(t *testing.T) {
	k := newStack(t)
	k.write("open-1").begin(4)
	k.start()
	res := k.do(k.request(http.MethodHead, "/v1/runs/open-1/events", ""))
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
}

func TestADamagedRecordEndsTheStream(t *testing.T) {
	_, _, err := decodeEvent(runlog.Entry{Data: []byte("junk")})
	require.ErrorIs(t, err, runlog.ErrDamaged)
	for kind := range eventTypes {
		if kind == kindProgress || kind == kindBudget { // which are not in the log
			continue
		}
		data, err := runlog.Encode(runlog.Header{Kind: kind, Run: "r"}, "not a map")
		require.NoError(t, err)
		_, _, err = decodeEvent(runlog.Entry{Data: data})
		require.ErrorIs(t, err, runlog.ErrDamaged, kind)
	}
	data, err := runlog.Encode(runlog.Header{Kind: "invented.later", Run: "r", Round: 3}, "anything")
	require.NoError(t, err)
	kind, head, err := decodeEvent(runlog.Entry{Seq: 5, Data: data})
	require.NoError(t, err)
	require.Equal(t, "invented.later", kind)
	require.Equal(t, uint64(5), head.(EventHead).Seq)
}

func FuzzDecodeEvent(f *testing.F) {
	for kind := range eventTypes {
		body, err := msgpack.Marshal(map[string]any{"reason": "x\ny", "world": map[string]any{"a": 1.5}, "questions": []any{map[string]any{"id": "q"}}})
		require.NoError(f, err)
		f.Add(kind, body)
	}
	f.Fuzz(func(t *testing.T, kind string, body []byte) {
		data, err := runlog.Encode(runlog.Header{Kind: kind, Run: "r", Round: 1}, body)
		require.NoError(t, err)
		_, event, err := decodeEvent(runlog.Entry{Seq: 1, Data: data})
		if err != nil {
			require.ErrorIs(t, err, runlog.ErrDamaged)
			return
		}
		line, err := json.Marshal(event)
		if _, notFinite := errors.AsType[*json.UnsupportedValueError](err); !notFinite {
			require.NoError(t, err)
		}
		require.NotContains(t, string(line), "\n")
	})
}
