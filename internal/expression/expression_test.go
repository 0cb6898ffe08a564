package expression

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestNumbers(t *testing.T) {
	for src, want := range map[string]float64{
		"vars.ratio * mean(answers.guess)": 2.0 / 3 * 25,
		"2/3":                              2.0 / 3,
		"1/2 + 1":                          1.5,
		"9223372036854775807 + 1":          math.Exp2(63),
		"7 % 4":                            3,
		"-2 ** 2":                          -4,
		"min(1, 2)":                        1,
		"max(3, round, size, 2.5)":         4,
		"min(5)":                           5,
		"min(answers.guess) + max(answers.guess)":                       50,
		"sum(answers.guess) / count(answers.guess)":                     25,
		"count(answers.mood) + count(answers.why)":                      1,
		"std(answers.guess) * median(answers.guess)":                    56,
		"quantile(answers.guess, 0.9)":                                  90,
		"answers.guess | quantile(0.5)":                                 50,
		`share(answers.colour, "green")`:                                0.75,
		"world.target - previous.world.target":                          -10,
		"clamp(world.target, vars.low, 15)":                             15,
		"abs(-3) + floor(1.7) + ceil(1.2) + round(2.5)":                 9,
		"sqrt(16) + exp(0) + log(1)":                                    5,
		"let m = mean(answers.guess); m > 20 ? m : 0":                   25,
		`vars.label == "beauty" and vars.feedback ? 1 : 2`:              1,
		"1 < round < 5 ? 1 : 0":                                         1,
		"if round > 1 { 5 } else { 6 }":                                 5,
		"round > 1 || world.höhe > 2 ? 1 : 0":                           1,
		`vars["ratio"] * 3`:                                             2,
		"round in [1, 3, -2] ? 1 : 0":                                   1,
		"world.target not in [1, 2] ? 1 : 0":                            1,
		"not (round == 1) ? 1 : 0":                                      1,
		`vars.label matches "^b.*y$" && vars.label contains "au" ? 1:0`: 1,
		`vars.label + "!" == "beauty!" ? 1 : 0`:                         1,
	} {
		p, err := Compile(src, testScope(), UseUpdate)
		require.NoError(t, err, src)
		got, err := p.Number(testEnv())
		require.NoError(t, err, src)
		require.InDelta(t, want, got, 1e-12, src)
		require.Equal(t, src, p.Source())
	}
}

func TestUses(t *testing.T) {
	stop, err := Compile("round > 1 && abs(world.target - previous.world.target) < 0.01", testScope(), UseStop)
	require.NoError(t, err)
	e := testEnv()
	got, err := stop.Bool(e)
	require.NoError(t, err)
	require.False(t, got)
	e.Previous = map[string]float64{"target": 20.001}
	got, err = stop.Bool(e)
	require.NoError(t, err)
	require.True(t, got)
	_, err = stop.Number(e)
	require.ErrorIs(t, err, ErrType)
	require.True(t, stop.Reads("world"))
	require.True(t, stop.Reads("previous"))
	require.False(t, stop.Reads("vars"))

	first := Env{Round: 1}
	got, err = stop.Bool(first)
	require.NoError(t, err, "the guard must keep world.target from being read")
	require.False(t, got)

	tau, err := Compile(`persona.education == "Ph.D." ? 2.5 : number(persona.age) / 20`, testScope(), UsePersona)
	require.NoError(t, err)
	f, err := tau.Number(e)
	require.NoError(t, err)
	require.Equal(t, 2.5, f)
	e.Persona = map[string]string{"education": "none", "age": "30"}
	f, err = tau.Number(e)
	require.NoError(t, err)
	require.Equal(t, 1.5, f)
	_, err = tau.Number(Env{Persona: map[string]string{"education": "none", "age": "old"}})
	require.ErrorIs(t, err, ErrArgument)

	answer, err := Compile(`round == 1 ? "red" : self.guess + self.number`, testScope(), UseScripted)
	require.NoError(t, err)
	v, err := answer.Any(e)
	require.NoError(t, err)
	require.Equal(t, 19.5, v)
	v, err = answer.Any(first)
	require.NoError(t, err)
	require.Equal(t, "red", v)
	_, err = answer.Number(first)
	require.ErrorIs(t, err, ErrType)
}

func TestCompileErrors(t *testing.T) {
	for _, tt := range []struct {
		src        string
		use        Use
		offset     int
		msg        string
		suggestion string
	}{
		{"vars.ratoi * 2", UseUpdate, 5, "unknown name vars.ratoi", "ratio"},
		{"1 + world.traget", UseUpdate, 10, "unknown name world.traget", "target"},
		{"world.höhe + world.hohe", UseUpdate, 20, "unknown name world.hohe", "höhe"},
		{"previous.world.tarGet", UseUpdate, 15, "unknown name previous.world.tarGet", "target"},
		{"previous.target", UseUpdate, 9, "previous has world only", ""},
		{`persona["edukation"] == "x" ? 1 : 2`, UsePersona, 8, "unknown name persona.edukation", "education"},
		{"mean(answers.gess)", UseUpdate, 13, "unknown question answers.gess", "guess"},
		{"wrld.target", UseUpdate, 0, `unknown name "wrld"`, "world"},
		{"$env", UseUpdate, 0, `unknown name "$env"`, ""},
		{"let target = 1; tarqet", UseUpdate, 16, `unknown name "tarqet"`, "target"},
		{"groups.x", UseUpdate, 0, "groups is not yet supported", ""},
		{"persona.age", UseUpdate, 0, "persona cannot be used here: an update sees", ""},
		{"mean(answers.guess) > 3", UseStop, 5, "answers cannot be used here", ""},
		{"mean(world.target) > 3", UseStop, 0, "mean is about answers", ""},
		{"min(answers.guess)", UseBound, 4, "answers cannot be used here", ""},
		{"answers.guess", UseUpdate, 8, "is a column of answers: use an aggregate such as mean(answers.guess)", ""},
		{"max(answers.guess, 3)", UseUpdate, 0, "max of answers wants one argument", ""},
		{"max(3, answers.guess)", UseUpdate, 15, "is a column of answers", ""},
		{"mean(3)", UseUpdate, 5, "mean wants answers.<question> first", ""},
		{"mean()", UseUpdate, 0, "mean wants answers.<question> first", ""},
		{"mean(answers)", UseUpdate, 5, "mean wants answers.<question>", ""},
		{"mean(answers.why)", UseUpdate, 0, "why is a text question", ""},
		{"mean(answers.colour)", UseUpdate, 0, "colour is a choice question", ""},
		{`share(answers.guess, "red")`, UseUpdate, 0, "share wants a choice question", ""},
		{`share(answers.colour, "gren")`, UseUpdate, 22, `"gren" is not a choice of colour`, "green"},
		{"quantile(answers.guess, 90)", UseUpdate, 24, "from 0 to 1", ""},
		{"quantile(answers.guess)", UseUpdate, 0, "one more argument", ""},
		{"round > 1", UseUpdate, 6, "an update must give a number, this gives true or false", ""},
		{"round", UseStop, 0, "a stop rule must give true or false, this gives a number", ""},
		{"self.why", UseScripted, 5, "unknown name self.why", ""},
		{`round > 1 ? 1 : true`, UseScripted, 16, "both must be alike", ""},
		{"persona.age > 30", UsePersona, 12, "> wants a number, got text; number(...)", ""},
		{`vars.label == 1 ? 1 : 2`, UseUpdate, 11, "== cannot combine text and a number", ""},
		{"vars.feedback + vars.feedback", UseUpdate, 14, "+ cannot combine", ""},
		{"vars.low && true", UseStop, 9, "&& wants true or false", ""},
		{"map(answers.guess, # * 2)", UseUpdate, 0, "map is refused", ""},
		{"filter(1..9, true)", UseUpdate, 0, "filter is refused", ""},
		{"reduce(answers.guess, #acc + #)", UseUpdate, 0, "reduce is refused", ""},
		{"1..1000000000", UseUpdate, 1, "ranges are refused", ""},
		{"[1,2,3][0]", UseUpdate, 7, "only names and names in quotes", ""},
		{"[1, 2]", UseUpdate, 0, "a list may only stand", ""},
		{"{a: 1}", UseUpdate, 0, "are refused", ""},
		{"nil", UseUpdate, 0, "there is no nil", ""},
		{"world?.target", UseUpdate, 7, "?. is not supported", ""},
		{"world.target ?? 1", UseUpdate, 13, "?? is not supported", ""},
		{"world.target.x", UseUpdate, 13, "has no parts", ""},
		{"round.x", UseUpdate, 6, "has no parts", ""},
		{"world", UseUpdate, 0, "world is a group of values", ""},
		{"now()", UseUpdate, 0, "the function now is not available", ""},
		{"len(vars.label)", UseUpdate, 0, "the function len is not available", ""},
		{"meen(answers.guess)", UseUpdate, 0, "unknown function meen", "mean"},
		{"abs(1, 2)", UseUpdate, 0, "abs wants 1 arguments, got 2", ""},
		{"min()", UseUpdate, 0, "min wants 1 arguments, got 0", ""},
		{`vars.label matches "("`, UseStop, 19, "missing closing )", ""},
		{"vars.label matches vars.label", UseStop, 11, "pattern in quotes", ""},
		{"round in 3", UseStop, 6, "in wants a list", ""},
		{`round in [1, "a"]`, UseStop, 13, "in wants a number, got text", ""},
		{"let round = 1; round", UseUpdate, 4, "the name round is taken", ""},
		{"world.target()", UseUpdate, 6, "only functions may be called", ""},
		{"vars.ratio ?: 2", UseUpdate, 5, "?: is not supported", ""},
		{"1 +", UseUpdate, 2, "unexpected token EOF", ""},
		{"", UseUpdate, 0, "unexpected token EOF", ""},
		{"1; 2", UseUpdate, 0, "sequences are refused", ""},
		{`"open`, UseUpdate, 5, "literal not terminated", ""},
	} {
		p, err := Compile(tt.src, testScope(), tt.use)
		require.Nil(t, p, tt.src)
		var ce *CompileError
		require.ErrorAs(t, err, &ce, tt.src)
		require.Contains(t, ce.Msg, tt.msg, tt.src)
		require.Equal(t, tt.offset, ce.Offset, "%s: %s", tt.src, ce.Msg)
		require.Equal(t, tt.suggestion, ce.Suggestion, tt.src)
	}
}

func TestRunErrors(t *testing.T) {
	for _, tt := range []struct {
		src  string
		use  Use
		want error
		text string
	}{
		{"1/0", UseUpdate, ErrNotFinite, "1/0"},
		{"0/0", UseUpdate, ErrNotFinite, "0/0"},
		{"exp(1000)", UseUpdate, ErrNotFinite, ""},
		{"sqrt(-1)", UseUpdate, ErrNotFinite, ""},
		{"min(1/0, 5)", UseUpdate, ErrNotFinite, ""},
		{"0/0 > 1", UseStop, ErrNotFinite, ""},
		{"!(0/0 == 1)", UseStop, ErrNotFinite, ""},
		{"0/0 in [1]", UseStop, ErrNotFinite, ""},
		{"let a = 0/0; a > 1", UseStop, ErrNotFinite, ""},
		{"mean(answers.mood)", UseUpdate, ErrNoAnswers, "mean(answers.mood)"},
		{"quantile(answers.mood, 0.5)", UseUpdate, ErrNoAnswers, ""},
		{"quantile(answers.guess, -1)", UseUpdate, ErrArgument, ""},
		{"world.höhe", UseUpdate, ErrNoValue, "world.höhe"},
		{"self.mood", UseScripted, ErrNoValue, "self.mood"},
		{"clamp(1, 3, 2)", UseUpdate, ErrArgument, ""},
	} {
		p, err := Compile(tt.src, testScope(), tt.use)
		require.NoError(t, err, tt.src)
		_, err = p.Any(testEnv())
		require.ErrorIs(t, err, tt.want, tt.src)
		require.ErrorContains(t, err, tt.text)
		require.NotContains(t, err.Error(), "load ")
	}
	p, err := Compile("vars.ratio", testScope(), UseBound)
	require.NoError(t, err)
	_, err = p.Number(Env{Vars: vars("ratio", "many")})
	require.ErrorIs(t, err, ErrType)
	_, err = p.Number(Env{})
	require.ErrorIs(t, err, ErrNoValue)
}

// A text may not be doubled until memory is gone, and shared nodes may not be walked exponentially often.
func TestMaliciousSources(t *testing.T) {
	double := `let a0 = vars.label; `
	for i := range 40 {
		a, b := string(rune('a'+i%26)), "x"
		name := a + strings.Repeat(b, i/26+1)
		prev := "a0"
		if i > 0 {
			prev = string(rune('a'+(i-1)%26)) + strings.Repeat(b, (i-1)/26+1)
		}
		double += "let " + name + " = " + prev + " + " + prev + "; "
	}
	p, err := Compile(double+`vars.label == "x"`, testScope(), UseStop)
	require.NoError(t, err)
	_, err = p.Bool(testEnv())
	require.ErrorIs(t, err, ErrTooLong)

	elvis, chain := "true", "1"
	for range 300 {
		elvis = "(" + elvis + " ?: true)"
		chain = "(0 < " + chain + " < 2 ? 1 : 0)"
	}
	for _, src := range []string{
		elvis, chain, strings.Repeat("(", 8000), strings.Repeat("-", 8000) + "1", strings.Repeat("1+", 4000) + "1",
		strings.Repeat(" ", 9000) + "1", `vars.label matches "((a{100}){100}){100}" ? 1 : 0`, "[" + strings.Repeat("1,", 4000) + "1]",
	} {
		_, err := Compile(src, testScope(), UseUpdate)
		var ce *CompileError
		require.ErrorAs(t, err, &ce)
	}
}
