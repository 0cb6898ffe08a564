package formula_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/environment/formula"
)

func scope() formula.Scope {
	return formula.Scope{
		State:    map[string]any{"pot": int64(9007199254740993), "names": []any{"b", "a"}, "of": map[string]any{"z": int64(1), "a": int64(2)}},
		Args:     map[string]any{"amount": int64(2)},
		Caller:   "code.h.a",
		Env:      "world/x",
		Now:      time.UnixMilli(1234),
		Parent:   func() map[string]any { return map[string]any{"tax": 0.5} },
		Children: func() []any { return []any{map[string]any{"name": "a", "state": map[string]any{"n": int64(3)}}} },
	}
}

func TestExpressionsSeeTheirScope(t *testing.T) {
	for source, want := range map[string]any{
		"state.pot + args.amount":        int64(9007199254740995), // exact where a float is not
		"caller + env":                   "code.h.aworld/x",
		"now":                            int64(1234),
		"parent.tax * 4":                 int64(2),
		"parent.tax":                     0.5,
		"sum(children, .state.n)":        int64(3),
		"sort(state.names)":              []any{"a", "b"},
		"keys(state.of)":                 []any{"a", "z"},
		"values(state.of)":               []any{int64(2), int64(1)},
		"toPairs(state.of)[0]":           []any{"a", int64(2)},
		"state.none ?? 7":                int64(7),
		`filter(state.names, # == "a")`:  []any{"a"},
		"let x = args.amount; x * x":     int64(4),
		`{"a": state.of.z}`:              map[string]any{"a": int64(1)},
		`"a" in state.names`:             true,
		`"x" in state.of`:                false,
		"state.pot > 5 and caller != ''": true,
	} {
		p, err := formula.Compile(source, []string{"amount"})
		require.NoError(t, err, source)
		got, err := p.Eval(scope())
		require.NoError(t, err, source)
		require.Equal(t, want, got, source)
	}
}

func TestWhatIsNoExpressionIsRefused(t *testing.T) {
	for source, words := range map[string]string{
		"":                          "unexpected token",
		"state.":                    "unexpected",
		"stat.pot":                  "unknown name stat",
		"args.amonut":               "there is no argument amonut; there are amount",
		"now()":                     "",
		"$env":                      "not known here",
		"$charge(1, 2)":             "not known here",
		`repeat("a", 100000)`:       "unknown name repeat",
		"date('2020-01-01')":        "",
		strings.Repeat("1+", 5000):  "longer than",
		strings.Repeat("1+", 1500):  "",
		"let $budget = 1; $budget":  "not known here",
		"map(state.names, $budget)": "not known here",
	} {
		_, err := formula.Compile(source, []string{"amount"})
		require.ErrorIs(t, err, formula.ErrSyntax, source)
		require.ErrorContains(t, err, words)
	}
}

// Whatever an expression tries, it ends soon and holds little.
func TestCostIsBounded(t *testing.T) {
	s := scope()
	var list []any
	for i := range 5000 {
		list = append(list, int64(i))
	}
	s.State["list"] = list
	inside := func() any { return []any{slices.Concat(list, list, list, list)} } // one element, so it looks short
	s.State["inside"], s.State["same"] = inside(), inside()
	double := "let a0 = 'xxxxxxxxxxxxxxxx';"
	for i := range 40 {
		double += "let a" + string(rune('A'+i%26)) + string(rune('a'+i/26)) + " = "
		prev := "a0"
		if i > 0 {
			prev = "a" + string(rune('A'+(i-1)%26)) + string(rune('a'+(i-1)/26))
		}
		double += prev + " + " + prev + ";"
	}
	for _, source := range []string{
		"count(state.list, any(state.list, all(state.list, # >= 0)))",
		"map(1..1000, sum(state.list))",
		"map(1..100000000, #)",
		"map(1..1000, sort(state.list))",
		"count(state.list, 5000 in state.list)",
		"count(state.list, state.list == reverse(state.list))",
		double + "len(aNb)",
		"reduce(1..60, #acc + #acc, 'aaaaaaaa')",
		"map(1..1000, concat(state.list, state.list))",
		"count(1..200000, state.inside == state.same)",
		"join(map(1..5000, 'aaaaaaaaaaaaaaaa')) matches '((a|b|aa?){900}|(a|b|a?){900}x)c'",
		"join(map(1..5000, 'aaaaaaaaaaaaaaaa')) matches join(['((a|b|aa?){900}|', '(a|b|a?){900}x)c'])",
		"count(1..200000, state.inside in [state.same])",
		"count(1..200000, max(state.inside) > 0)",
		"count(1..200000, len(string(state.inside)) > 0)",
		"count(1..200000, len(flatten(state.inside)) > 0)",
	} {
		p, err := formula.Compile(source, nil)
		require.NoError(t, err, source)
		begun := time.Now()
		_, err = p.Eval(s)
		require.ErrorIs(t, err, formula.ErrCost, source)
		require.Less(t, time.Since(begun), 20*time.Second, source)
	}
}

func TestWhatHasNoResultSaysSo(t *testing.T) {
	for _, source := range []string{"state.none + 1", "1 % (state.pot - state.pot)", "1 / 0", "state.pot.x", "state.names[7]", "int('x')"} {
		p, err := formula.Compile(source, nil)
		require.NoError(t, err, source)
		_, err = p.Eval(scope())
		require.ErrorIs(t, err, formula.ErrRun, source)
		_, err = p.True(scope())
		require.ErrorIs(t, err, formula.ErrRun, source)
	}
	p, err := formula.Compile("1", nil)
	require.NoError(t, err)
	_, err = p.True(scope())
	require.ErrorIs(t, err, formula.ErrRun)
}

func TestTemplates(t *testing.T) {
	tpl, err := formula.Parse("{{caller}} gave {{args.amount}}: {{state.names}}.", []string{"amount"})
	require.NoError(t, err)
	text, err := tpl.Render(scope())
	require.NoError(t, err)
	require.Equal(t, `code.h.a gave 2: ["b","a"].`, text)
	_, err = formula.Parse("{{state.x", nil)
	require.ErrorIs(t, err, formula.ErrSyntax)
	_, err = formula.Parse("{{ }}", nil)
	require.ErrorIs(t, err, formula.ErrSyntax)
	tpl, err = formula.Parse("{{state.none + 1}}", nil)
	require.NoError(t, err)
	_, err = tpl.Render(scope())
	require.ErrorIs(t, err, formula.ErrRun)
}
