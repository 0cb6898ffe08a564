package template

import (
	"maps"
	"slices"
	"strings"
	texttemplate "text/template"

	"github.com/myriad-sim/myriad/internal/expression"
)

func vars(kv ...string) expression.Vars {
	out := expression.Vars{}
	for i := 0; i < len(kv); i += 2 {
		v, err := expression.ParseValue(kv[i+1])
		if err != nil {
			panic(err)
		}
		out[kv[i]] = v
	}
	return out
}

func testScope() expression.Scope {
	return expression.Scope{
		Vars:      vars("ratio", "2/3", "low", "0", "high", "100", "label", "beauty", "on", "true", "off", "false"),
		World:     []string{"target", "late", "höhe"},
		Persona:   []string{"name", "education", "age", "high school", "none"},
		Questions: map[string]string{"guess": "number", "why": "text"},
	}
}

func testShared() Shared {
	return Shared{
		Vars: testScope().Vars, World: map[string]float64{"target": 33.5, "höhe": 2e6}, Previous: map[string]float64{"target": 50},
		Round: 2, Rounds: 5, Size: 1000,
	}
}

// person is an Agent with fixed values.
type person struct {
	number       int
	persona      map[string]string
	last, answer map[string]string
}

func (p *person) Number() int   { return p.number }
func (p *person) Block() string { return "players" }
func (p *person) AppendPersona(dst []byte, name string) []byte {
	return append(dst, p.persona[name]...)
}
func (p *person) AppendLast(dst []byte, q string) []byte   { return append(dst, p.last[q]...) }
func (p *person) AppendAnswer(dst []byte, q string) []byte { return append(dst, p.answer[q]...) }

func testAgent() *person {
	return &person{
		number:  17,
		persona: map[string]string{"name": "Ann", "education": "Ph.D.", "age": "34", "high school": "yes"},
		last:    map[string]string{"guess": "22.5"},
		answer:  map[string]string{"why": "because"},
	}
}

// reference renders the plain way: text/template over maps.
func reference(src string, s Shared, a *person) (string, error) {
	sc := testScope()
	v, persona, last, answers := map[string]any{}, map[string]any{}, map[string]any{}, map[string]any{}
	for name, value := range s.Vars {
		v[name] = plain(value)
	}
	for _, name := range sc.Persona {
		persona[name] = a.persona[name]
	}
	for _, q := range slices.Sorted(maps.Keys(sc.Questions)) {
		last[q], answers[q] = a.last[q], a.answer[q]
	}
	world := func(w map[string]float64) map[string]any {
		out := map[string]any{}
		for k, f := range w {
			out[k] = worldNumber(f)
		}
		return out
	}
	t, err := texttemplate.New("").Option("missingkey=error").Funcs(funcs()).Parse(src)
	if err != nil {
		return "", err
	}
	var out strings.Builder
	err = t.Execute(&out, map[string]any{
		"vars": v, "world": world(s.World), "previous": map[string]any{"world": world(s.Previous)},
		"round": s.Round, "rounds": s.Rounds, "size": s.Size, "persona": persona, "answers": answers,
		"self": map[string]any{"number": a.number, "block": a.Block(), "last": last},
	})
	return out.String(), err
}

func render(src string, s Shared, a Agent) (string, error) {
	t, err := Compile(src, testScope())
	if err != nil {
		return "", err
	}
	b, err := t.Bind(s)
	if err != nil {
		return "", err
	}
	out, err := b.Append(nil, a)
	return string(out), err
}
