package agenthost

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
)

// Every agent is asked once a round, whatever the sizes of shards and batches, and its answer is in the log.
func TestRoundOfManyShards(t *testing.T) {
	s := newStage(t)
	cfg := quick()
	cfg.Batch, cfg.InFlight = 64, 100
	h := s.host(cfg)
	p := s.proxy(numbers)
	s.create(guess(1000, ""), 1000, 300, h)
	for round := range 3 {
		s.open()
		s.complete()
		for agent := range 1000 {
			require.Equal(t, float64(number(round+1, agent)), s.value(0, agent))
			require.Equal(t, stats.Answered, s.status(0, agent))
		}
		s.close(nil)
	}
	require.EqualValues(t, 3000, p.calls.Load())
	require.EqualValues(t, 3000, s.fold.Asked)
	require.Zero(t, s.fold.Duplicates)
	for _, r := range p.seen() {
		require.LessOrEqual(t, len(r.Calls), 64)
		require.Equal(t, "You play.", r.System)
	}
	s.idle(h)
}

const interview = `version: 1
name: t
seed: 3
rounds: 9
population:
  size: 4
  distributions: [{name: job, categories: [{name: baker, proportion: 1/2}, {name: miller, proportion: 1/2}]}]
models: {m: {provider: openai, model: x, endpoints: ["http://127.0.0.1:1/v1"]}}
agents: {all: {model: m, system: "You are a {{.persona.job}}."}}
turn:
  - {id: guess, ask: "Round {{.round}}{{if gt .round 1}}, target {{.world.target}}{{end}}: which number?", answer: {type: number}}
  - {id: why, ask: "You said {{.answers.guess}}{{if .self.last.guess}}, before {{.self.last.guess}}{{end}}. Why?", answer: {type: text}}
memory: {turns: TURNS, keep: [question, answer]}
update: {world: {target: "mean(answers.guess)"}}
`

// reason answers the two questions of interview.
func reason(a asked) {
	a.all(func(i int) string {
		said := a.Calls[i].Messages
		if strings.HasSuffix(said[len(said)-1].Content, "Why?") {
			return fmt.Sprintf("because %d", a.Round)
		}
		return fmt.Sprintf("Answer: %d", number(a.Round, int(a.Calls[i].Agent)))
	})
}

// prompts returns the last thing an agent was sent for each question of a round, by question.
func (p *proxy) promptsOf(round, agent int) []string {
	var out []string
	for _, r := range p.seen() {
		for i, c := range r.Calls {
			if r.Round == round && int(c.Agent) == agent {
				out = append(out, dialogue(r, i))
			}
		}
	}
	return out
}

// The second question sees the first answer, memory reaches back as far as the scenario says, and personas are in the
// system prompt.
func TestPromptsOfATurn(t *testing.T) {
	for turns, remembered := range map[string][]int{"0": nil, "1": {2}, "all": {1, 2}} {
		t.Run(turns, func(t *testing.T) {
			s := newStage(t)
			h := s.host(quick())
			p := s.proxy(reason)
			s.create(strings.Replace(interview, "TURNS", turns, 1), 4, 4, h)
			for range 3 {
				s.open()
				s.complete()
				s.close(map[string]float64{"target": 12.5})
			}
			for agent := range 4 {
				job := "baker"
				if text := p.promptsOf(1, agent)[0]; !strings.Contains(text, job) {
					job = "miller"
				}
				line := func(round int) (guess, why string) {
					target, before := ", target 12.5", fmt.Sprintf(", before %d", number(round-1, agent))
					if round == 1 {
						target, before = "", ""
					}
					return fmt.Sprintf("user: Round %d%s: which number?\n", round, target),
						fmt.Sprintf("user: You said %d%s. Why?\n", number(round, agent), before)
				}
				want := "system: You are a " + job + ".\n"
				for _, round := range remembered {
					guess, why := line(round)
					want += guess + fmt.Sprintf("assistant: Answer: %d\n", number(round, agent)) + why + fmt.Sprintf("assistant: because %d\n", round)
				}
				guess, why := line(3)
				require.Equal(t, []string{
					want + guess,
					want + guess + fmt.Sprintf("assistant: Answer: %d\n", number(3, agent)) + why,
				}, p.promptsOf(3, agent))
				require.Equal(t, fmt.Sprintf("Answer: %d", number(3, agent)), s.texts[[3]int{3, 0, agent}])
				require.Equal(t, "because 3", s.texts[[3]int{3, 1, agent}])
			}
			s.idle(h)
		})
	}
}

// What becomes of replies: one question a case, asked of one agent in one turn.
func TestReadingReplies(t *testing.T) {
	cases := []struct {
		answer   string
		replies  []string
		purposes []uint8
		status   stats.Status
		value    float64
		text     string // "": the first reply
	}{
		{`type: number`, []string{"42"}, []uint8{0}, stats.Answered, 42, ""},
		{`type: number, decimals: 1`, []string{"41.97"}, []uint8{0}, stats.Answered, 42, ""},
		{`type: number`, []string{"perhaps 3, 5 or 8", "5"}, []uint8{0, 1}, stats.Extracted, 5, ""},
		{`type: number`, []string{"perhaps 3, 5 or 8", "NONE", "5"}, []uint8{0, 1, 2}, stats.Repaired, 5, "5"},
		{`type: number`, []string{"perhaps 3, 5 or 8", "REFUSED"}, []uint8{0, 1}, stats.Refused, 0, ""},
		{`type: number, min: 0, max: 100`, []string{"200", "20"}, []uint8{0, 2}, stats.Repaired, 20, "20"},
		{`type: number, min: 0, max: 100, out_of_range: clamp`, []string{"200"}, []uint8{0}, stats.Answered, 100, ""},
		{`type: number, extract: rule, max_retries: 1`, []string{"3 or 5", "5 or 8"}, []uint8{0, 2}, stats.Missing, 0, "5 or 8"},
		{`type: number, extract: always`, []string{"42", "42"}, []uint8{0, 1}, stats.Extracted, 42, ""},
		{`type: number, max_retries: 0`, []string{"3 or 5", "NONE"}, []uint8{0, 1}, stats.Missing, 0, ""},
		{`type: number`, []string{"I cannot answer that."}, []uint8{0}, stats.Refused, 0, ""},
		{`type: choice, choices: [red, green]`, []string{"Answer: green"}, []uint8{0}, stats.Answered, 1, ""},
		{`type: likert, points: 5`, []string{"4"}, []uint8{0}, stats.Answered, 4, ""},
		{`type: text`, []string{"I like it."}, []uint8{0}, stats.Answered, 0, ""},
		{`type: json`, []string{`{"a": 1}`}, []uint8{0}, stats.Answered, 0, ""},
		{`type: json`, []string{`{"a": 1,}`}, []uint8{0}, stats.Repaired, 0, ""},
		{`type: text, max_retries: 0, extract: rule`, []string{strings.Repeat("long ", 20_000)}, []uint8{0}, stats.Missing, 0, strings.Repeat("long ", 20_000)[:reading.MaxReply]},
	}
	source := strings.Split(guess(1, ""), "turn:")[0] + "turn:\n"
	for q, c := range cases {
		source += fmt.Sprintf("  - {id: q%d, ask: \"Question %d!\", answer: {%s}}\n", q, q, c.answer)
	}
	s := newStage(t)
	h := s.host(quick())
	count := make([]int, len(cases))
	p := s.proxy(func(a asked) {
		a.all(func(i int) string {
			q := s.fold.Scenario.QuestionIndex(questionOf(t, a.Request))
			at := count[q]
			count[q]++
			if at >= len(cases[q].replies) {
				return "asked too often"
			}
			return cases[q].replies[at]
		})
	})
	s.create(source, 1, 1, h)
	records := map[int]*runlog.Answers{}
	s.open()
	s.eventually(func() bool {
		if s.last != nil {
			records[s.last.Question] = s.last
		}
		return s.fold.Complete()
	}, "complete")
	purposes := make([][]uint8, len(cases))
	for _, r := range p.seen() {
		q := s.fold.Scenario.QuestionIndex(questionOf(t, r))
		purposes[q] = append(purposes[q], r.Purpose)
		require.Equal(t, uint32(len(purposes[q])-1), r.Calls[0].Attempt)
	}
	for q, c := range cases {
		name := fmt.Sprintf("case %d: %s", q, c.answer)
		require.Equal(t, c.status, s.status(q, 0), name)
		require.Equal(t, c.purposes, purposes[q], name)
		want := c.value
		if strings.HasPrefix(c.answer, "type: choice") || strings.HasPrefix(c.answer, "type: likert") {
			require.Equal(t, int64(want), s.fold.Columns()[q].Values[0], name)
		} else {
			require.Equal(t, want, s.value(q, 0), name)
		}
		if c.text == "" {
			c.text = c.replies[0]
		}
		require.Equal(t, c.text, s.texts[[3]int{1, q, 0}], name)
	}
	// A second asking carries the reply and what was wrong with it.
	var again *llm.Request
	for _, r := range p.seen() {
		if questionOf(t, r) == "q5" && r.Purpose == llm.PurposeReask {
			again = r
		}
	}
	said := again.Calls[0].Messages
	require.Equal(t, llm.Message{Role: llm.RoleAssistant, Content: "200"}, said[len(said)-2])
	require.Contains(t, said[len(said)-1].Content, "from 0 to 100")
	s.idle(h)
}

func questionOf(t testing.TB, r *llm.Request) string {
	f, err := llm.DecodeFacts(r.Facts)
	if err != nil {
		t.Errorf("facts: %v", err)
		return ""
	}
	return f.Question
}

// The attempts behind an answer are in the log, and what they took is summed.
func TestAttemptsAreLogged(t *testing.T) {
	s := newStage(t)
	h := s.host(quick())
	n := 0
	s.proxy(func(a asked) {
		n++
		text := []string{"3 or 5", "NONE", "200", "20"}[n-1]
		a.send(&llm.Result{ID: a.ID, Done: true, Index: []uint32{0}, Text: []string{text}, TokensIn: []uint32{7}, TokensOut: []uint32{math.MaxUint32}, Retries: []uint8{200}, Served: "real"})
	})
	s.create(guess(1, ""), 1, 1, h)
	s.open()
	s.complete()
	require.Equal(t, []runlog.Attempt{
		{Kind: llm.PurposeAnswer, Number: 0, Text: "3 or 5"}, {Kind: llm.PurposeExtract, Number: 1, Text: "NONE"},
		{Kind: llm.PurposeReask, Number: 2, Text: "200"}, {Kind: llm.PurposeReask, Number: 3, Text: "20"},
	}, s.last.Attempts[0])
	require.Equal(t, []uint8{4}, s.last.Calls)
	require.Equal(t, []uint8{math.MaxUint8}, s.last.Retries, "no overflow")
	require.Equal(t, []uint32{28}, s.last.TokensIn)
	require.Equal(t, []uint32{math.MaxUint32}, s.last.TokensOut, "no overflow")
	require.Equal(t, []string{"m"}, s.last.Model)
	require.Equal(t, []string{"real"}, s.last.Served)
}

func TestMissingRules(t *testing.T) {
	source := guess(2, "  - {id: why, ask: \"Why?\", answer: {type: text, max_retries: 0, extract: rule}}\nmissing: {then: previous}\n")
	source = strings.Replace(source, "max: 100}", "max: 100, max_retries: 0, extract: rule}", 1)
	s := newStage(t)
	h := s.host(quick())
	s.proxy(func(a asked) {
		a.all(func(i int) string {
			if a.Round > 1 || a.Calls[i].Agent == 1 {
				return " " // nothing to read
			}
			return "5"
		})
	})
	s.create(source, 2, 2, h)
	s.open()
	s.complete()
	s.close(nil)
	require.Equal(t, stats.Missing, s.status(0, 1), "there is no round before")
	s.open()
	s.complete()
	for q := range 2 {
		require.Equal(t, stats.Fallback, s.status(q, 0))
		require.Equal(t, stats.Missing, s.status(q, 1))
	}
	require.Equal(t, 5.0, s.value(0, 0))
	require.Equal(t, " ", s.texts[[3]int{2, 0, 0}], "the reply is kept")
	require.Equal(t, "5", s.texts[[3]int{2, 1, 0}], "a text is its own value")

	v := newStage(t)
	h = v.host(quick())
	v.proxy(func(a asked) { a.all(func(int) string { return " " }) })
	source = strings.Replace(source, "{then: previous}", "{then: {value: 10 * round}}", 1)
	v.create(source, 2, 2, h)
	v.open()
	v.complete()
	require.Equal(t, stats.Fallback, v.status(0, 0))
	require.Equal(t, 10.0, v.value(0, 0))
	require.Equal(t, stats.Missing, v.status(1, 0), "a value stands in for numbers only")
}

// The host does not take the number at the end of a reply that ended at a length limit, and takes the same reply whole.
func TestRepliesThatWereCut(t *testing.T) {
	s := newStage(t)
	s.proxy(func(a asked) {
		n := len(a.Calls)
		r := &llm.Result{ID: a.ID, Done: true, TokensIn: make([]uint32, n), TokensOut: make([]uint32, n), Retries: make([]uint8, n)}
		for i, c := range a.Calls {
			text := "3"
			if a.Purpose == llm.PurposeExtract {
				text = "33"
			} else if c.Agent == 1 {
				r.Cut = append(r.Cut, uint32(i))
			}
			r.Index, r.Text = append(r.Index, uint32(i)), append(r.Text, text)
		}
		a.send(r)
	})
	h := s.host(quick())
	s.create(guess(2, ""), 2, 2, h)
	s.open()
	s.complete()
	require.Equal(t, stats.Answered, s.status(0, 0))
	require.InDelta(t, 3, s.value(0, 0), 0)
	require.Equal(t, stats.Extracted, s.status(0, 1))
	require.InDelta(t, 33, s.value(0, 1), 0)
}

// Agents whose replies come in any order, some of which have to be asked again, are logged all the same.
func TestRepliesInAnyOrder(t *testing.T) {
	s := newStage(t)
	h := s.host(patient())
	s.proxy(func(a asked) {
		for i := range a.Calls {
			at := (i*7 + 3) % len(a.Calls)
			reply := "3 or 5"
			if a.Calls[at].Agent%3 > 0 || a.Purpose != llm.PurposeAnswer {
				reply = fmt.Sprint(number(a.Round, int(a.Calls[at].Agent)))
			}
			a.some(i == len(a.Calls)-1, func(int) string { return reply }, at)
		}
	})
	s.create(guess(100, ""), 100, 50, h)
	s.open()
	s.complete()
	for agent := range 100 {
		want := stats.Answered
		if agent%3 == 0 {
			want = stats.Extracted
		}
		require.Equal(t, want, s.status(0, agent))
		require.Equal(t, float64(number(1, agent)), s.value(0, agent))
	}
	s.idle(h)
}
