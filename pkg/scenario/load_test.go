package scenario_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

func load(t *testing.T, src string, o scenario.Overrides) *scenario.Scenario {
	t.Helper()
	s, err := scenario.Load("f.yaml", []byte(src), o)
	require.NoError(t, err)
	return s
}

// edit replaces a text that is in base exactly once.
func edit(t *testing.T, from, to string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(base, from))
	return strings.Replace(base, from, to, 1)
}

func TestLoadFillsIn(t *testing.T) {
	s := load(t, base, scenario.Overrides{})
	require.Equal(t, uint64(7), s.Seed)
	require.Equal(t, 3, s.Rounds)
	require.Equal(t, "2/3", s.Vars["ratio"].String())
	require.Equal(t, []scenario.Distribution{{Name: "education", Categories: []scenario.Category{
		{Name: "high school", Proportion: 0.5}, {Name: "Ph.D.", Proportion: 0.5}}}}, s.Population.Distributions)
	require.Equal(t, []string{"first", "second"}, []string{s.Blocks[0].Name, s.Blocks[1].Name})
	require.Equal(t, []int{0, 750, 750, 250}, []int{s.Blocks[0].First, s.Blocks[0].Count, s.Blocks[1].First, s.Blocks[1].Count})
	require.Equal(t, scenario.Memory{Turns: 2, Answer: true}, s.Memory)
	q := s.Turn[s.QuestionIndex("guess")]
	require.Equal(t, 6, q.Answer.Decimals)
	require.Equal(t, "reask", q.Answer.OutOfRange)
	require.Equal(t, "auto", q.Answer.Extract)
	require.Equal(t, 2, q.Answer.MaxRetries)
	require.Equal(t, "guess", s.Game.Question)
	require.Equal(t, "0", s.Game.Offset.Source())
	require.Equal(t, "pause", s.Missing.Below)
	require.Equal(t, []string{"target"}, s.WorldKeys())
	require.True(t, s.Report.HasWithin)
	require.Equal(t, int64(1e9), s.Model("robot").Latency)
	require.Equal(t, []string{"http://localhost:8000/v1"}, s.Model("server").Endpoints)
	require.Equal(t, 1.0, *s.Model("server").Temperature)
	require.Nil(t, s.Model("nobody"))
	require.Equal(t, -1, s.QuestionIndex("nothing"))
	require.Contains(t, s.Scope().Persona, "background")
}

// The same scenario, however it is written, is the same scenario.
func TestHash(t *testing.T) {
	want := load(t, base, scenario.Overrides{}).Hash()
	require.Len(t, want, 64)
	require.Equal(t, want, load(t, base, scenario.Overrides{}).Hash())
	require.Equal(t, want, load(t, "# a comment\n"+strings.ReplaceAll(base, "\n", "\r\n"), scenario.Overrides{}).Hash())
	var doc any
	require.NoError(t, yaml.UnmarshalWithOptions([]byte(base), &doc, yaml.UseOrderedMap()))
	asJSON, err := yaml.MarshalWithOptions(doc, yaml.JSON())
	require.NoError(t, err)
	require.Equal(t, want, load(t, string(asJSON), scenario.Overrides{}).Hash(), "JSON is YAML")
	withAnchors := edit(t, "{name: high school, proportion: 0.5}", "{name: high school, proportion: &half 0.5}")
	withAnchors = strings.Replace(withAnchors, "Ph.D., proportion: 0.5", "Ph.D., proportion: *half", 1)
	require.Equal(t, want, load(t, withAnchors, scenario.Overrides{}).Hash())
	for _, change := range [][2]string{
		{"seed: 7", "seed: 8"}, {"share: 3/4, system", "share: 3/4,  system"}, {"You are", "You were"}, {"tau: 1.5", "tau: 1.6"},
		{"high: 100", "high: 99"}, {"proportion: 0.5}\n  b", "proportion: 0.5}\n  b"}, {"within: 0.5", "within: 1"}, {"turns: 2", "turns: all"},
	} {
		got := load(t, edit(t, change[0], change[1]), scenario.Overrides{}).Hash()
		same := strings.Join(strings.Fields(change[0]), " ") == strings.Join(strings.Fields(change[1]), " ")
		require.Equal(t, same, got == want, "%s -> %s", change[0], change[1])
	}
}

func TestNotUTF8(t *testing.T) {
	_, err := scenario.Load("f.yaml", []byte("version: 1\nname: \"é\ufffd\xff\"\n"), scenario.Overrides{})
	require.EqualError(t, err, "f.yaml:2:10: this is not UTF-8 text")
}

func TestMergeKeys(t *testing.T) {
	src := edit(t, "player: {provider: levelk, tau: 1.5}", "player: &p {provider: levelk, tau: 1.5}\n  deep: {<<: *p, tau: 3}")
	s := load(t, src, scenario.Overrides{})
	require.Equal(t, "levelk", s.Model("deep").Provider)
	require.Equal(t, "3", s.Model("deep").Tau)
	require.Equal(t, "1.5", s.Model("player").Tau)
}

func TestURLsWithoutQuotes(t *testing.T) {
	for _, list := range []string{"[http://localhost:8000/v1]", "[http://10.0.0.1:8000, https://b/v1]", "[https://b:1]", "[http://b/v1]"} {
		for _, server := range []string{"{provider: openai, endpoints: %s, model: m}", "\n    provider: openai\n    endpoints: %s\n    model: m"} {
			src := edit(t, "{provider: dummy, latency: 1s}", fmt.Sprintf(server, list))
			urls := load(t, src, scenario.Overrides{}).Model("robot").Endpoints
			require.Equal(t, list, "["+strings.Join(urls, ", ")+"]")
		}
	}
}

func TestDetail(t *testing.T) {
	_, err := scenario.Load("f.yaml", []byte(edit(t, "rounds: 3", "ruonds: 3")), scenario.Overrides{})
	var all scenario.Errors
	require.ErrorAs(t, err, &all)
	require.Equal(t, strings.Join([]string{
		`f.yaml:4:1: unknown key "ruonds"`,
		`    4 | ruonds: 3`,
		`      | ^`,
		`        did you mean rounds?`,
	}, "\n"), all.Detail())
}

// A position of a template or expression points at the name itself, however the text is written.
func TestPositionsInsideScalars(t *testing.T) {
	ask := "    ask: \"{{if gt .round 1}}It was {{.world.target}}. {{end}}Your number?\"\n"
	for name, c := range map[string]struct {
		text         string
		line, column int
	}{
		"plain":           {"    ask: Hé {{.vars.rato}}\n", 29, 21},
		"plain, folded":   {"    ask: Hello\n      there {{.vars.rato}}\n", 30, 21},
		"single quoted":   {"    ask: 'It''s {{.vars.rato}}'\n", 29, 25},
		"double quoted":   {"    ask: \"\\u00e9\\t\\\"x\\\" {{.vars.rato}}\"\n", 29, 33},
		"double, folded":  {"    ask: \"one\n      two \\\n      {{.vars.rato}}\"\n", 31, 15},
		"literal block":   {"    ask: |\n      one\n\n        two {{.vars.rato}}\n", 32, 21},
		"folded block":    {"    ask: >-\n      one\n      two {{.vars.rato}}\n", 31, 19},
		"with an anchor":  {"    ask: &a |2-\n      {{.vars.rato}}\n", 30, 15},
		"after a comment": {"    ask: | # why\n      {{.vars.rato}}\n", 30, 15},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := scenario.Load("f.yaml", []byte(edit(t, ask, c.text)), scenario.Overrides{})
			var e *scenario.Error
			require.ErrorAs(t, err, &e)
			require.Equal(t, "ratio", strings.TrimPrefix(e.Suggestion, "vars."), "%v", err)
			require.Equal(t, []int{c.line, c.column}, []int{e.Line, e.Column}, "%v", err)
		})
	}
}

func TestLimits(t *testing.T) {
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for _, name := range []string{"b", "c", "d", "e", "f"} {
		prev := string(name[0] - 1)
		bomb += name + ": &" + name + " [" + strings.Repeat("*"+prev+", ", 10) + "]\n"
	}
	for name, src := range map[string]string{
		"size":       "name: " + strings.Repeat("x", 600<<10),
		"flow depth": strings.Repeat("[", 200_000),
		"list depth": strings.Repeat("- ", 200_000),
		"keys":       strings.Repeat("k: 1\n", 20_000),
		"alias bomb": bomb,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := scenario.Load("f.yaml", []byte(src), scenario.Overrides{})
			require.ErrorIs(t, err, scenario.ErrTooLarge)
		})
	}
	_, err := scenario.Load("f.yaml", []byte("a: &a [*a]\n"), scenario.Overrides{})
	require.ErrorContains(t, err, "no anchor &a comes before this")
}

func examples(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := filepath.Glob("../../examples/*.yaml")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 4)
	out := map[string][]byte{}
	for _, f := range files {
		src, err := os.ReadFile(f)
		require.NoError(t, err)
		out[filepath.Base(f)] = src
	}
	return out
}

func TestExamplesLoad(t *testing.T) {
	for name, src := range examples(t) {
		s, err := scenario.Load(name, src, scenario.Overrides{})
		require.NoError(t, err)
		require.Equal(t, strings.TrimSuffix(name, ".yaml"), s.Name)
		require.NotEmpty(t, s.Description)
	}
}

func TestStarter(t *testing.T) {
	for name, want := range map[string]string{"": "my-scenario", "trust": "trust", " a: b\n": "a-b", strings.Repeat("x", 99): strings.Repeat("x", 64)} {
		src := scenario.Starter(name)
		s, err := scenario.Load("s.yaml", src, scenario.Overrides{})
		require.NoError(t, err)
		require.Equal(t, want, s.Name)
		require.Greater(t, bytes.Count(src, []byte("#")), 10)
	}
}

func FuzzLoad(f *testing.F) {
	for _, src := range examples(f) {
		f.Add(src)
	}
	f.Add([]byte(base))
	for _, c := range malformed {
		f.Add([]byte(strings.Replace(base, c.old, c.new, 1)))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		s, err := scenario.Load("f.yaml", src, scenario.Overrides{})
		if err == nil {
			require.Len(t, s.Hash(), 64)
			return
		}
		var all scenario.Errors
		require.ErrorAs(t, err, &all)
		require.NotEmpty(t, all)
		for _, e := range all {
			require.Positive(t, e.Line)
			require.Positive(t, e.Column)
			require.NotEmpty(t, e.Msg)
			require.NotEmpty(t, e.Detail())
		}
	})
}

func TestBuiltinDistributions(t *testing.T) {
	src := edit(t, "    - name: education\n", "    - template: age\n    - template: gender\n    - template: occupation\n"+
		"    - template: nationality\n    - {template: education, name: school}\n    - name: education\n")
	s := load(t, src, scenario.Overrides{})
	require.Len(t, s.Population.Distributions, 6)
	for _, d := range s.Population.Distributions {
		sum := 0.0
		for _, c := range d.Categories {
			require.NotEmpty(t, c.Name)
			sum += c.Proportion
		}
		require.InDelta(t, 1, sum, 1e-9, d.Name)
	}
	require.Equal(t, "school", s.Population.Distributions[4].Name)
	require.Contains(t, s.Scope().Persona, "nationality")
}
