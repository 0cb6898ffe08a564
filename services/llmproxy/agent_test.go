package llmproxy

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

var agentModel = scenario.Model{Name: "player", Provider: "agent", Host: "js-1", Agent: "alice"}

// program is a program in another language with one agent: it listens on the agent's subjects and handles any number of
// requests at a time, and answers each request id once.
type program struct {
	sub     *nats.Subscription
	working sync.WaitGroup

	mu   sync.Mutex
	got  []*nats.Msg
	now  int // requests being handled
	most int
	once map[string]func() (msg.Msg, error)
}

// serve starts a program for agentModel until the test ends. n counts the requests of the program from 1.
func (s *stack) serve(t testing.TB, behave func(r wire.Request, verb string, n int) (msg.Msg, error)) *program {
	t.Helper()
	p := &program{once: map[string]func() (msg.Msg, error){}}
	var err error
	p.sub, err = s.nc.Subscribe(subjects.CodeAll("js-1"), func(m *nats.Msg) {
		p.working.Go(func() {
			_, _, name, verb, err := subjects.ParseCode(m.Subject)
			if err != nil {
				return
			}
			r, err := wire.Read(m)
			p.mu.Lock()
			p.got = append(p.got, m)
			n := len(p.got)
			do := p.once[r.ID]
			if do == nil {
				do = sync.OnceValues(func() (msg.Msg, error) { return behave(r, verb, n) })
				if r.ID != "" {
					p.once[r.ID] = do
				}
			}
			p.now++
			p.most = max(p.most, p.now)
			p.mu.Unlock()
			var out msg.Msg
			if name != "alice" {
				err = wire.ErrNoAgent
			}
			if err == nil {
				out, err = do()
			}
			p.mu.Lock()
			p.now--
			if err != nil {
				delete(p.once, r.ID)
			}
			p.mu.Unlock()
			if !errors.Is(err, errDies) {
				_ = wire.Answer(s.nc, m, r.Encoding, name, out, err) // an asker without an answer asks again
			}
		})
	})
	require.NoError(t, err)
	require.NoError(t, s.nc.Flush())
	t.Cleanup(p.working.Wait)
	return p
}

// errDies is what a program returns that dies with a request.
var errDies = errors.New("dies")

func (p *program) requests() []*nats.Msg {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]*nats.Msg(nil), p.got...)
}

// echo answers with the last message.
func echo(r wire.Request, _ string, _ int) (msg.Msg, error) {
	return msg.Msg{Content: msg.Text("re: " + r.Msgs[len(r.Msgs)-1].Content.String())}, nil
}

func TestAgentGetsTheConversation(t *testing.T) {
	s := start(t, fast(t))
	p := s.serve(t, echo)
	req := request(t, agentModel, numberFacts(0, 100), 1)
	req.System = "be brief"
	req.Calls[0] = llm.Call{Agent: 17, Attempt: 2, Messages: []llm.Message{
		{Role: llm.RoleUser, Content: "one?"}, {Role: llm.RoleAssistant, Content: "1"},
		{Role: llm.RoleUser, Content: "two?", Parts: []byte(`[{"type":"image_url","image_url":{"url":"http://a/b.png"}},` +
			`{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},{"type":"audio_url","audio_url":{"url":"http://a/c"}}]`)},
	}}
	got := s.ask(t, req)
	require.Equal(t, []string{"re: two?"}, got.text)
	require.Equal(t, "agent alice on host js-1", got.served)
	require.Zero(t, got.in+got.out)
	m := p.requests()[0]
	require.Equal(t, "myriad.run.r1.code.js-1.alice.reply", m.Subject)
	require.Equal(t, "application/json", m.Header.Get(subjects.HeaderContentType))
	require.Equal(t, "r1:1:guess:17:2:answer", m.Header.Get(subjects.HeaderRequestID))
	r, err := wire.Read(m)
	require.NoError(t, err)
	require.WithinDuration(t, time.Now().Add(2*time.Minute), r.Deadline, 30*time.Second)
	require.JSONEq(t, `[{"v":1,"role":"system","content":"be brief"},{"v":1,"role":"user","content":"one?"},{"v":1,"role":"assistant","content":"1"},
		{"v":1,"role":"user","content":"two?","urls":["http://a/b.png","data:audio/wav;base64,AAAA","http://a/c"],"metadata":{"run":"r1","round":1,
		"question":"guess","agent":17,"attempt":2,"purpose":"answer","answer":{"type":"number","min":0,"max":100,"decimals":0}}}]`, string(m.Data))
}

func TestAgentIsToldWhatCountsAsAnAnswer(t *testing.T) {
	open := llm.Facts{Min: math.NaN(), Max: math.NaN()}
	for want, change := range map[string]func(*llm.Facts){
		`{"type":"number","decimals":2}`:                           func(f *llm.Facts) { f.Type, f.Decimals = scenario.TypeNumber, 2 },
		`{"type":"likert","points":5}`:                             func(f *llm.Facts) { f.Type, f.Points = scenario.TypeLikert, 5 },
		`{"type":"choice","choices":["yes","no"]}`:                 func(f *llm.Facts) { f.Type, f.Choices = scenario.TypeChoice, []string{"yes", "no"} },
		`{"type":"text"}`:                                          func(f *llm.Facts) { f.Type = scenario.TypeText },
		`{"type":"json","schema":{"type":"object","required":[]}}`: func(f *llm.Facts) { f.Type, f.Schema = scenario.TypeJSON, []byte(`{"type":"object","required":[]}`) },
		`{"type":"code","language":"python"}`:                      func(f *llm.Facts) { f.Type, f.Language = scenario.TypeCode, "python" },
		`{"type":"tagged","tags":["speak"]}`:                       func(f *llm.Facts) { f.Type, f.Tags = scenario.TypeTagged, []string{"speak"} },
	} {
		f := open
		change(&f)
		got, err := declared(&f)
		require.NoError(t, err)
		data, err := json.Marshal(got)
		require.NoError(t, err)
		require.JSONEq(t, want, string(data))
	}
	broken := open
	broken.Type, broken.Schema = scenario.TypeJSON, []byte("{")
	_, err := newTask(&broken, llm.PurposeAnswer)
	require.ErrorIs(t, err, errFacts)
}

func TestAgentAnswersWithData(t *testing.T) {
	s := start(t, fast(t))
	s.serve(t, func(r wire.Request, _ string, _ int) (msg.Msg, error) {
		var v any
		if err := json.Unmarshal([]byte(r.Msgs[0].Content.String()), &v); err != nil {
			return msg.Msg{}, err
		}
		content, err := msg.Data(v)
		return msg.Msg{Content: content}, err
	})
	req := request(t, agentModel, numberFacts(0, 100), 3)
	for i, text := range []string{"33.5", `{"guess":12}`, `"a text"`} {
		req.Calls[i].Messages[0].Content = text
	}
	require.Equal(t, []string{"33.5", `{"guess":12}`, "a text"}, s.ask(t, req).text)
}

// An answer may be a promise of somebody else's.
func TestAgentAnswersWithAPromise(t *testing.T) {
	s := start(t, fast(t))
	producer, err := promise.NewProducer(s.nc, natstest.Logger(t), "bob-1", promise.Config{Keep: time.Minute, KeepBytes: 1 << 20})
	require.NoError(t, err)
	t.Cleanup(producer.Close)
	s.serve(t, func(r wire.Request, _ string, n int) (msg.Msg, error) {
		place, work, err := producer.Begin("r1", time.Now().Add(time.Minute))
		if err != nil {
			return msg.Msg{}, err
		}
		if r.Msgs[0].Content.String() == "agent 1" {
			work.Finish(msg.Msg{}, fmt.Errorf("%w: out of ideas", wire.ErrFailed))
		} else {
			work.Finish(msg.New("bob", msg.RoleAssistant, msg.Text("later")), nil)
		}
		return msg.Promise("bob", place), nil
	})
	got := s.ask(t, request(t, agentModel, numberFacts(0, 100), 2))
	require.Equal(t, []string{"later", ""}, got.text)
	require.Equal(t, []string{"", "agent alice on host js-1: failed: out of ideas"}, got.errs)
}

func TestAgentThatIsNotThereIsWaitedFor(t *testing.T) {
	cfg := fast(t)
	cfg.DownAfter, cfg.RetryFor, cfg.MaxAttempts = 50*time.Millisecond, 10*time.Millisecond, 1
	s := start(t, cfg)
	told, err := s.nc.SubscribeSync(subjects.Service(subjects.ServiceCoordinator, control.Models))
	require.NoError(t, err)
	payload, err := llm.EncodeRequest(request(t, agentModel, numberFacts(0, 100), 3))
	require.NoError(t, err)
	sub := s.send(t, payload)
	outage := func() control.Outage {
		m, err := told.NextMsg(20 * time.Second)
		require.NoError(t, err)
		var o control.Outage
		require.NoError(t, json.Unmarshal(m.Data, &o))
		require.Equal(t, []string{"r1", "player"}, []string{o.Run, o.Model})
		return o
	}
	require.Equal(t, "agent alice on host js-1 is not there", outage().Reason)
	// Its host comes before the agent does.
	var mu sync.Mutex
	there, asked := false, 0
	s.serve(t, func(r wire.Request, verb string, n int) (msg.Msg, error) {
		mu.Lock()
		defer mu.Unlock()
		asked++
		if !there {
			return msg.Msg{}, wire.ErrNoAgent
		}
		return echo(r, verb, n)
	})
	until(t, func() bool { mu.Lock(); defer mu.Unlock(); return asked > 0 }, "asked")
	require.True(t, outage().Down)
	mu.Lock()
	there = true
	mu.Unlock()
	done := 0
	for done < 3 {
		r := answered(t, sub)
		require.Nil(t, r.Error)
		for i := range r.Index {
			require.Zero(t, r.Retries[i], "nobody was asked before")
		}
		done += len(r.Index)
	}
	for o := outage(); o.Down; o = outage() {
	}
}

func TestAgentThatDiesWithRequestsIsAskedAgain(t *testing.T) {
	s := start(t, fast(t), func(svc *Service) { svc.agents.patience = 100 * time.Millisecond })
	died := make(chan struct{})
	first := s.serve(t, func(_ wire.Request, _ string, n int) (msg.Msg, error) {
		if n == 20 {
			close(died)
		}
		return msg.Msg{}, errDies
	})
	payload, err := llm.EncodeRequest(request(t, agentModel, numberFacts(0, 100), 20))
	require.NoError(t, err)
	sub := s.send(t, payload)
	<-died
	require.NoError(t, first.sub.Unsubscribe())
	second := s.serve(t, echo)
	got := map[uint32]string{}
	for len(got) < 20 {
		r := answered(t, sub)
		require.Nil(t, r.Error)
		for i, at := range r.Index {
			got[at] = r.Text[i]
		}
	}
	require.Equal(t, "re: agent 7", got[7])
	ids := map[string]bool{}
	for _, m := range first.requests() {
		ids[m.Header.Get(subjects.HeaderRequestID)] = true
	}
	for _, m := range second.requests() {
		require.True(t, ids[m.Header.Get(subjects.HeaderRequestID)], "the same requests come again")
	}
}

// A request that takes long goes out again. Whichever answer comes first counts, and there is one.
func TestAgentThatTakesLongIsAskedAgainAndNotTwice(t *testing.T) {
	s := start(t, fast(t), func(svc *Service) { svc.agents.patience = 10 * time.Millisecond })
	enough := make(chan struct{})
	var handled atomic.Int32
	p := s.serve(t, func(wire.Request, string, int) (msg.Msg, error) {
		handled.Add(1)
		<-enough
		return msg.Msg{Content: msg.Text("slow")}, nil
	})
	payload, err := llm.EncodeRequest(request(t, agentModel, numberFacts(0, 100), 1))
	require.NoError(t, err)
	sub := s.send(t, payload)
	until(t, func() bool { return len(p.requests()) >= 4 }, "asked again")
	close(enough)
	r := answered(t, sub)
	require.True(t, r.Done)
	require.Equal(t, []string{"slow"}, r.Text)
	require.Zero(t, r.Retries[0])
	require.EqualValues(t, 1, handled.Load())
}

func TestAgentErrors(t *testing.T) {
	for _, c := range []struct {
		name     string
		err      error
		rejected string // "": asked again
	}{
		{"crowded", wire.ErrCrowded, ""},
		{"stopped", wire.ErrStopped, ""},
		{"unavailable", wire.ErrUnavailable, ""},
		{"deadline", wire.ErrDeadline, ""},
		{"failed", fmt.Errorf("%w: no idea", wire.ErrFailed), "agent alice on host js-1: failed: no idea"},
		{"bad request", wire.ErrBadRequest, "agent alice on host js-1: bad request"},
		{"no error of the protocol", errors.New("oops\n" + strings.Repeat("x", 999)), "agent alice on host js-1: oops " + strings.Repeat("x", 395) + "…"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := start(t, fast(t))
			p := s.serve(t, func(r wire.Request, verb string, n int) (msg.Msg, error) {
				if n <= 2 || c.rejected != "" {
					return msg.Msg{}, c.err
				}
				return echo(r, verb, n)
			})
			got := s.ask(t, request(t, agentModel, numberFacts(0, 100), 1))
			require.Equal(t, []string{c.rejected}, got.errs)
			if c.rejected == "" {
				require.Equal(t, []int{2}, got.retries)
				return
			}
			require.Len(t, p.requests(), 1, "asking again is no use")
		})
	}
}

func TestAgentRepliesGarbage(t *testing.T) {
	s := start(t, fast(t))
	_, err := s.nc.Subscribe("myriad.run.r1.code.js-1.alice.reply", func(m *nats.Msg) {
		var list []struct{ Content string }
		if err := json.Unmarshal(m.Data, &list); err != nil {
			var one struct{ Content string }
			_ = json.Unmarshal(m.Data, &one)
			list = append(list, one)
		}
		n, _ := strconv.Atoi(strings.TrimPrefix(list[0].Content, "agent "))
		out := nats.NewMsg(m.Reply)
		out.Header.Set("Content-Type", "application/json")
		switch n {
		case 0:
			out.Data = []byte("33")
		case 1:
			out.Data = []byte(`{"content": "33"`)
		case 2:
			out.Data, out.Header = []byte{0x93, 0xff}, nil
		case 3:
			out.Data = []byte("33")
			out.Header.Set("Content-Type", "text/plain")
		case 4:
			out.Data = []byte(`{"content": {"guess": 5}, "future": 1}`)
		case 5: // no answer, which the reader of answers asks about again
		}
		_ = s.nc.PublishMsg(out)
	})
	require.NoError(t, err)
	got := s.ask(t, request(t, agentModel, numberFacts(0, 100), 6))
	for i := range 4 {
		require.Contains(t, got.errs[i], "agent alice on host js-1: bad request: ", "%d", i)
	}
	require.Equal(t, []string{"", ""}, got.errs[4:])
	require.Equal(t, []string{`{"guess":5}`, ""}, got.text[4:])
}

// Many seats of a block are one agent, which is told their numbers.
func TestAgentTakesAThousandSeats(t *testing.T) {
	s := start(t, fast(t))
	var asked atomic.Int32
	met := make(chan struct{})
	p := s.serve(t, func(r wire.Request, _ string, _ int) (msg.Msg, error) {
		if asked.Add(1) == 2 {
			close(met)
		}
		<-met // the first is not answered before a second is there
		content, err := msg.Data(r.Msgs[0].Metadata["agent"])
		return msg.Msg{Content: content}, err
	})
	m := agentModel
	m.Concurrency = 8
	got := s.ask(t, request(t, m, numberFacts(0, 1000), 1000))
	for i, text := range got.text {
		require.Equal(t, strconv.Itoa(i), text)
	}
	require.Len(t, p.requests(), 1000)
	require.LessOrEqual(t, p.most, 8)
	require.Greater(t, p.most, 1)
}

func TestAgentIsInterviewed(t *testing.T) {
	s := start(t, fast(t), func(svc *Service) { svc.agents.patience = time.Millisecond })
	p := s.serve(t, func(r wire.Request, verb string, _ int) (msg.Msg, error) {
		<-time.After(20 * time.Millisecond)
		return msg.Msg{Content: msg.Text(verb + " " + fmt.Sprint(r.Msgs[0].Metadata))}, nil
	})
	req := request(t, agentModel, numberFacts(0, 100), 1)
	req.Purpose = llm.PurposeInterview
	require.Equal(t, []string{"interview map[agent:0 purpose:interview round:1 run:r1]"}, s.ask(t, req).text)
	require.Len(t, p.requests(), 1, "it is not known as a repeated one, so it goes out once")
	require.Empty(t, p.requests()[0].Header.Get(subjects.HeaderRequestID))
}

func TestAgentNeedsAnAddress(t *testing.T) {
	s := start(t, fast(t))
	for _, m := range []scenario.Model{{Name: "player", Provider: "agent", Host: "h"}, {Name: "player", Provider: "agent", Agent: "a"}} {
		require.Contains(t, s.ask(t, request(t, m, numberFacts(0, 1), 1)).refused, "it needs a host and an agent")
	}
}
