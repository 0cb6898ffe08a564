package agent_test

import (
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// gateway stands for the llmproxy. It says what the test wants and keeps what it was asked.
type gateway struct {
	mu    sync.Mutex
	asked []*llm.Request
}

func (s *stage) gateway(answer func(r *llm.Request) llm.Result) *gateway {
	g := &gateway{}
	nc := s.srv.InProcess(s.T)
	_, err := nc.QueueSubscribe(subjects.Chat("talker"), subjects.ChatQueue, func(m *nats.Msg) {
		r, err := llm.DecodeRequest(m.Data)
		if err != nil {
			s.Error(err)
			return
		}
		g.mu.Lock()
		g.asked = append(g.asked, r)
		g.mu.Unlock()
		out := answer(r)
		out.ID, out.Done = r.ID, true
		data, err := llm.EncodeResult(&out)
		if err == nil {
			err = m.Respond(data)
		}
		if err != nil {
			s.Error(err)
		}
	})
	require.NoError(s, err)
	require.NoError(s, nc.Flush())
	return g
}

func completion(text string) llm.Result {
	return llm.Result{Index: []uint32{0}, Text: []string{text}, TokensIn: []uint32{3}, TokensOut: []uint32{1}, Served: "talker-7b"}
}

// last is the conversation of the last request.
func (g *gateway) last() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := []string{}
	for _, m := range g.asked[len(g.asked)-1].Calls[0].Messages {
		out = append(out, m.Role+"| "+m.Content)
	}
	return out
}

const talker = `"model":{"provider":"openai","endpoints":["http://localhost:8000/v1"],"model":"talker","temperature":0.5}`

func TestComplete(t *testing.T) {
	s := newStage(t)
	g := s.gateway(func(*llm.Request) llm.Result { return completion("hi") })
	model := &scenario.Model{Name: "talker", Provider: "openai"}
	got, err := s.client.Complete(t.Context(), model, []agent.Message{{Role: msg.RoleUser, Content: "hello"}})
	require.NoError(t, err)
	require.Equal(t, agent.Completion{Text: "hi", TokensIn: 3, TokensOut: 1, Served: "talker-7b"}, got)
	require.Equal(t, []string{"user| hello"}, g.last())
	require.Equal(t, "r1", g.asked[0].Run)
	s.client.Close()
	_, err = s.client.Complete(t.Context(), model, nil)
	require.ErrorIs(t, err, agent.ErrStopped)
}

func TestDialogWithAModel(t *testing.T) {
	s := newStage(t)
	n := 0
	g := s.gateway(func(*llm.Request) llm.Result {
		n++
		out := completion(fmt.Sprintf(" Ann: answer %d", n)) // as models do that see names
		if n == 2 {
			out.Cut = []uint32{0}
		}
		return out
	})
	stop := s.host("h", agent.NewRegistry())
	a := s.create("h", "a", "dialog", `{"name":"Ann","system":"You are Ann.",`+talker+`}`)

	out, err := s.client.Reply(t.Context(), a)
	require.NoError(t, err)
	require.Equal(t, []string{"system| You are Ann.", "user| (It is your turn to speak.)"}, g.last())
	require.Equal(t, "answer 1", out.Content.String())
	require.Equal(t, "Ann", out.Name)
	require.Equal(t, msg.RoleAssistant, out.Role)
	require.Equal(t, map[string]any{"model": "talker-7b"}, out.Metadata)
	var sent scenario.Model
	require.NoError(t, decodeModel(g.asked[0].Model, &sent))
	require.Equal(t, 0.5, *sent.Temperature)

	data, err := msg.Data(map[string]int{"apples": 3})
	require.NoError(t, err)
	picture := msg.New("Bob", msg.RoleAssistant, data)
	picture.URLs = []string{"http://localhost/a.png"}
	require.NoError(t, s.client.Observe(t.Context(), a, picture, say("", "a noise")))
	out, err = s.client.Reply(t.Context(), a, say("Cid", "hello"))
	require.NoError(t, err)
	require.Equal(t, []string{
		"system| You are Ann.", "user| (It is your turn to speak.)", "assistant| answer 1",
		"user| Bob: {\"apples\":3}\nhttp://localhost/a.png\na noise\nCid: hello",
	}, g.last(), "the two sides take turns")
	require.Equal(t, true, out.Metadata["cut"])

	out, err = s.client.Interview(t.Context(), a, say("Dan", "how are you?"))
	require.NoError(t, err)
	require.Equal(t, "answer 3", out.Content.String())
	want := []string{"Ann: answer 1", "Bob: {\"apples\":3}", ": a noise", "Cid: hello", "Ann: answer 2"}
	require.Equal(t, want, s.remembered(a), "an interview leaves no trace")

	stop()
	s.host("h", agent.NewRegistry())
	require.Equal(t, want, s.remembered(a))
	_, err = s.client.Reply(t.Context(), a)
	require.NoError(t, err)
	require.Len(t, g.last(), 6, "it ends with the other side's turn: %v", g.last())
}

func TestDialogRemembersAWindow(t *testing.T) {
	s := newStage(t)
	g := s.gateway(func(*llm.Request) llm.Result { return completion("hm") })
	s.host("h", agent.NewRegistry())
	a := s.create("h", "a", "dialog", `{"window":2,`+talker+`}`)
	for i := range 4 {
		_, err := s.client.Reply(t.Context(), a, say("b", fmt.Sprint(i)))
		require.NoError(t, err)
	}
	require.Equal(t, []string{"user| (It is your turn to speak.)", "assistant| hm", "user| b: 3"}, g.last())
	require.Equal(t, []string{"b: 3", "a: hm"}, s.remembered(a))
}

func TestDialogWhoseModelFails(t *testing.T) {
	s := newStage(t)
	s.gateway(func(*llm.Request) llm.Result { return llm.Result{Refused: llm.RefusedBudget + "5 of 5"} })
	s.host("h", agent.NewRegistry())
	a := s.create("h", "a", "dialog", `{`+talker+`}`)
	_, err := s.client.Reply(t.Context(), a, say("b", "hello"))
	require.ErrorIs(t, err, agent.ErrFailed)
	require.ErrorContains(t, err, agent.ErrModelBudget.Error()+": 5 of 5")
	require.Empty(t, s.remembered(a), "it was not said")
}

func TestDialogWithLines(t *testing.T) {
	s := newStage(t)
	stop := s.host("h", agent.NewRegistry())
	a := s.create("h", "a", "dialog", `{"lines":["A.","B.","A."]}`)
	next := func(want string) {
		t.Helper()
		out, err := s.client.Reply(t.Context(), a, say("b", "and?"))
		require.NoError(t, err)
		require.Equal(t, want, out.Content.String())
		require.Empty(t, out.Metadata)
	}
	next("A.")
	for range 2 {
		out, err := s.client.Interview(t.Context(), a)
		require.NoError(t, err)
		require.Equal(t, "B.", out.Content.String(), "nothing of an interview stays")
	}
	next("B.")
	stop()
	s.host("h", agent.NewRegistry())
	next("A.")
	next("A.")
	next("B.")
	require.Len(t, s.remembered(a), 10)
}

func TestConfigurationsThatMakeNoSense(t *testing.T) {
	for config, want := range map[string]string{
		``:                               "either a model or lines",
		`null`:                           "either a model or lines",
		`{"lines":["x"],` + talker + `}`: "either a model or lines",
		`{"lines":[]}`:                   "config.lines: there are none",
		`{"lines":["x"],"system":"y"}`:   "config.system: it is for a model",
		`{"lines":[1]}`:                  "config.lines: a number does not belong here",
		`{"lines":"x"}`:                  "config.lines: a string does not belong here",
		`{"lines":["x"],"windw":3}`:      "config.windw: there is no such key; there are name, system, model, lines, window, audience",
		`{"lines":["x"],"window":-1}`:    "config.window: it must be at least 0, not -1",
		`{"lines":["x"],"audience":["a","code.h.a"]}`: "config.audience[0]",
		`{"lines":["x"]} {}`:                          "something follows it",
		`[`:                                           "config: unexpected EOF",
		`{"model":{"provider":"openai"}}`:             `config.model: "endpoints" is missing`,
		`{"model":{"provider":"dummy"}}`:              "config.model.provider: a dummy player plays the games of scenarios",
		`{"model":{"provider":"openai","endpoints":["x"],"model":"y"}}`: "config.model.endpoints[0]",
		`{"model":{"provider":"openai","endpoint":["x"],"model":"y"}}`:  `config.model.endpoint: unknown key "endpoint"`,
	} {
		_, err := agent.Dialog(t.Context(), &agent.Self{Memory: agent.NewMemory()}, []byte(config))
		require.ErrorIs(t, err, agent.ErrBadRequest, config)
		require.ErrorContains(t, err, want, config)
	}
	_, err := agent.User(t.Context(), &agent.Self{}, []byte(`{"lines":[]}`))
	require.ErrorContains(t, err, "config.lines: there is no such key; there are name, audience")
}

// JSON may write characters in ways that are not YAML's.
func TestModelInAnyJSON(t *testing.T) {
	name := "<b> \U0001F600 \u2028"
	raw, err := json.Marshal(name)
	require.NoError(t, err)
	for _, text := range []string{string(raw), `"\u003cb\u003e \ud83d\ude00 \u2028"`} {
		_, err := agent.Dialog(t.Context(), &agent.Self{Memory: agent.NewMemory()},
			[]byte(`{"model":{"provider":"openai","endpoints":["http:\/\/a"],"model":`+text+`}}`))
		require.NoError(t, err, text)
	}
}
