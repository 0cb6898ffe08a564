package test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/report"
)

// upStack is a stack that `myriad up` keeps running.
type upStack struct {
	*process
	http string // base URL
	nats string
}

var (
	httpLine = regexp.MustCompile(`HTTP API +(http://\S+)`)
	natsLine = regexp.MustCompile(`NATS +(nats://\S+)`)
)

// up starts a stack on free ports, with its data in the working directory.
func up(t testing.TB, dir string) *upStack { return call{dir: dir}.up(t) }

func (c call) up(t testing.TB, flags ...string) *upStack {
	t.Helper()
	s := &upStack{process: c.start(t, append(flags, "up", "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0")...)}
	s.says(t, &s.out, "Ctrl-C stops")
	text := s.out.String()
	s.http, s.nats = httpLine.FindStringSubmatch(text)[1], natsLine.FindStringSubmatch(text)[1]
	return s
}

// connect opens a plain connection, as any NATS client would.
func (s *upStack) connect(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.nats)
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// jetStream is the run log and the buckets of the stack.
func (s *upStack) jetStream(t testing.TB) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(s.connect(t))
	require.NoError(t, err)
	return js
}

// response is a response with its whole body.
type response struct {
	status int
	header http.Header
	body   string
}

// do sends a request as curl does.
func (s *upStack) do(t testing.TB, method, path string, body []byte) response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, s.http+path, bytes.NewReader(body))
	require.NoError(t, err)
	if body != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded") // what curl --data-binary says
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience}
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err, "%s %s", method, path)
	return response{resp.StatusCode, resp.Header, string(data)}
}

// get fetches a path, which must be there.
func (s *upStack) get(t testing.TB, path string) string {
	t.Helper()
	got := s.do(t, http.MethodGet, path, nil)
	require.Equal(t, http.StatusOK, got.status, "%s: %s", path, got.body)
	return got.body
}

// runAnswer is what GET /v1/runs/{id} gives.
type runAnswer struct {
	control.Info
	Usage   *usageAnswer    `json:"usage"`
	Summary *report.Summary `json:"summary"`
}

// usageAnswer is what it says of the spending of a run.
type usageAnswer struct {
	Total    useAnswer            `json:"total"`
	Models   map[string]useAnswer `json:"models"`
	Held     useAnswer            `json:"held"`
	Caps     any                  `json:"caps"`
	Share    float64              `json:"share"`
	Currency string               `json:"currency"`
	Alerts   []alertAnswer        `json:"alerts"`
}

type useAnswer struct {
	Calls, Retries, Hedges, Shared, Tokens int
	TokensIn                               int `json:"tokens_in"`
	TokensOut                              int `json:"tokens_out"`
	Unreported                             int `json:"tokens_unreported"`
	Money                                  string
}

type alertAnswer struct {
	Time             time.Time
	Run, Which, Unit string
	Percent          int
	Share            float64
	Spent, Cap       json.Number
}

// state is what the API says of a run now.
func (s *upStack) state(t testing.TB, run string) runAnswer {
	t.Helper()
	return parsed[runAnswer](t, s.get(t, "/v1/runs/"+run))
}

// problem is an error answer, RFC 9457.
type problem struct {
	Type, Title, Detail, Code string
	Status                    int
	Errors                    []struct {
		Detail, Location, Path, Suggestion string
		Line, Column                       int
		SourceLine                         string `json:"source_line"`
	}
}

func (s *upStack) problem(t testing.TB, method, path string, body []byte) problem {
	t.Helper()
	got := s.do(t, method, path, body)
	require.Equal(t, "application/problem+json", got.header.Get("Content-Type"), got.body)
	p := parsed[problem](t, got.body)
	require.Equal(t, got.status, p.Status)
	return p
}

// post starts a run and returns its id.
func (s *upStack) post(t testing.TB, query string, source []byte) string {
	t.Helper()
	got := s.do(t, http.MethodPost, "/v1/runs"+query, source)
	require.Equal(t, http.StatusAccepted, got.status, got.body)
	info := parsed[control.Info](t, got.body)
	require.Equal(t, "/v1/runs/"+info.ID, got.header.Get("Location"))
	return info.ID
}

// event is one server-sent event.
type event struct{ kind, id, data string }

// events follows a run until the server ends the stream.
func (s *upStack) events(t testing.TB, run string) []event {
	t.Helper()
	got := s.do(t, http.MethodGet, "/v1/runs/"+run+"/events", nil)
	require.Equal(t, http.StatusOK, got.status, got.body)
	require.Equal(t, "text/event-stream", got.header.Get("Content-Type"))
	var all []event
	var e event
	for lines := bufio.NewScanner(strings.NewReader(got.body)); lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "event":
			e.kind = value
		case "id":
			e.id = value
		case "data":
			e.data = value
		case "":
			if e.kind != "" {
				all = append(all, e)
			}
			e = event{}
		}
	}
	return all
}
