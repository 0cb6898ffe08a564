package conformance

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// everyCall: each call has one answer, however many there are and whoever asks.
func (s *stage) everyCall(t *testing.T) {
	m := s.model(t, 0)
	for _, n := range []int{0, 1, 2, 100, llm.MaxCalls} {
		s.proxy.good(t, request(t, m, n))
	}
	same := request(t, m, 60)
	for i := range same.Calls {
		same.Calls[i].Agent = uint64(i % 3)
	}
	s.proxy.good(t, same)
	far := request(t, m, 2)
	far.Calls[1].Agent = 1<<63 + 5
	s.proxy.good(t, far)
}

// anyText: what people write gets through, and comes back to who asked.
func (s *stage) anyText(t *testing.T) {
	m := s.model(t, 0)
	texts := []string{
		"Zoë 🦊 שלום 你好", "\"quoted\" \\ {\"json\":[1]}", "tab\tline\r\nend\u2028\u2029", "null \x00 and \x1b[31m",
		"", " ", strings.Repeat("long ", 10_000), "\xff\xfe no UTF-8",
	}
	r := request(t, m, len(texts))
	r.Run, r.System = "run é/*.>", texts[0]
	for i, text := range texts {
		r.Calls[i] = call(uint64(i), text+" Say a number from 0 to 100.")
		r.Calls[i].Messages = slices.Insert(r.Calls[i].Messages, 0, llm.Message{Role: llm.RoleAssistant, Content: text + "!"})
		r.Calls[i].Persona = map[string]string{"name": text}
	}
	s.proxy.good(t, r)
}

// refusals: what cannot be played is refused as a whole, and the reason names what is wrong.
func (s *stage) refusals(t *testing.T) {
	m := s.model(t, 0)
	future, err := msgpack.Marshal(&llm.Request{V: 9, ID: 4})
	require.NoError(t, err)
	model, unknown, noFacts, purpose := request(t, m, 3), request(t, m, 3), request(t, m, 3), request(t, m, 3)
	model.Model, noFacts.Facts, purpose.Purpose = []byte{0xc1}, []byte{0x93, 1}, 77
	unknown.Model, err = msgpack.Marshal(scenario.Model{Name: "player", Provider: "oracle"})
	require.NoError(t, err)
	for why, payload := range map[string][]byte{
		"unknown payload version: 9": future, "bad model": encode(t, model), "bad facts": encode(t, noFacts),
		`unknown provider "oracle"`: encode(t, unknown), "unknown purpose 77": encode(t, purpose),
		"damaged payload": encode(t, request(t, m, 3))[:40],
	} {
		inbox := s.proxy.post(t, payload)
		for {
			msg, err := inbox.NextMsg(patience)
			require.NoError(t, err)
			r, err := llm.DecodeResult(msg.Data)
			require.NoError(t, err)
			require.Empty(t, r.Index)
			if r.Done {
				require.Contains(t, r.Refused, why)
				break
			}
		}
	}
	s.proxy.good(t, request(t, m, 3))
}

// tooLate: a call that nobody waits for ends at once, with an answer or with an error, and no server is asked for it.
func (s *stage) tooLate(t *testing.T) {
	var m scenario.Model
	asked := func() uint64 { return 0 }
	if s.Servers == nil {
		m = s.model(t, 0)
	} else {
		servers := s.Servers(t, Options{})
		m, asked = servers.Model(0), func() uint64 { return servers.stats().Asked }
	}
	late := request(t, m, 50)
	late.Deadline = time.Now().Add(-time.Minute).UnixMilli()
	g := s.proxy.ask(t, late)
	require.Empty(t, g.refused)
	require.NotContains(t, g.rejected, true, "nothing is wrong with what was asked")
	require.Zero(t, asked())
	late.Deadline = time.Now().Add(time.Hour).UnixMilli()
	s.proxy.good(t, late)
}
