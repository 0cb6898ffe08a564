package template

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/expression"
)

func TestRender(t *testing.T) {
	for src, want := range map[string]string{
		"":      "",
		"plain": "plain",
		"from {{.vars.low}} to {{.vars.high}}, {{.vars.ratio}} of the average":                                                               "from 0 to 100, 2/3 of the average",
		`{{printf "%.2f" .vars.ratio}} {{printf "%d" .vars.high}}`:                                                                           "0.67 100",
		`{{printf "%.2f" .world.target}} {{.world.target}} {{.world.höhe}}`:                                                                  "33.50 33.5 2000000",
		`{{.previous.world.target}} {{.round}}/{{.rounds}} of {{.size}}`:                                                                     "50 2/5 of 1000",
		`{{if gt .round 1}}The target was {{printf "%.2f" .world.target}}. {{end}}Now?`:                                                      "The target was 33.50. Now?",
		`{{if eq .round 1}}{{.world.late}}{{else if .persona.none}}a{{else}}b{{end}}`:                                                        "b",
		`I am {{.persona.name}} ({{.self.number}}, {{.self.block}}), {{.persona.education}}`:                                                 "I am Ann (17, players), Ph.D.",
		`{{if .self.last.guess}}You said {{.self.last.guess}}.{{end}}{{.answers.why}}`:                                                       "You said 22.5.because",
		`{{if .self.last.why}}no{{else}}nothing{{end}}`:                                                                                      "nothing",
		`{{index .persona "high school"}}`:                                                                                                   "yes",
		`{{range $k, $v := .persona}}{{$k}}={{$v}};{{end}}`:                                                                                  "age=34;education=Ph.D.;high school=yes;name=Ann;none=;",
		`{{with .persona}}{{.name}} {{index . "age"}} {{$.round}}{{end}}`:                                                                    "Ann 34 2",
		`{{with .self.last.guess}}<{{.}}>{{end}}`:                                                                                            "<22.5>",
		`{{$r := .vars.ratio}}{{$n := .persona.name}}{{$r}} {{$n}}`:                                                                          "2/3 Ann",
		`{{gt .vars.ratio 0.5}} {{lt .vars.ratio .world.target}} {{eq .round 2.0}} {{ge .vars.high 100}} {{ne .vars.low 0}}`:                 "true true true true false",
		`{{gt .persona.age 30}} {{lt .self.last.guess 100}} {{gt .persona.age "9"}} {{lt "a" "b"}} {{eq .persona.name "Bob" "Ann"}}`:         "true true true true true",
		`{{eq .self.last.why 3}} {{eq .vars.on true}} {{if .vars.low}}x{{end}}{{if .vars.off}}y{{end}}{{if .vars.ratio}}z{{end}}`:            "false true z",
		`{{printf "%.1f|%5d|%-4s|%q|%v%%|%t" .self.last.guess .self.number .persona.age "q" .vars.ratio .vars.on}}`:                          `22.5|   17|34  |"q"|2/3%|true`,
		`{{.persona.name | printf "%s is %.0f" "x" | len}}`:                                                                                  "",
		`{{and .persona.name .round}} {{or .persona.none "nobody"}} {{not .persona.none}} {{len .persona.name}} {{slice .persona.name 1 2}}`: "2 nobody true 3 n",
		`{{ $.persona.name -}}   ! {{/* note */}}`:                                                                                           "Ann! ",
	} {
		if src == `{{.persona.name | printf "%s is %.0f" "x" | len}}` {
			_, err := render(src, testShared(), testAgent())
			require.ErrorIs(t, err, ErrArgument)
			require.ErrorContains(t, err, `printf %.0f cannot print "Ann"`)
			continue
		}
		got, err := render(src, testShared(), testAgent())
		require.NoError(t, err, src)
		require.Equal(t, want, got, src)
		plain, err := reference(src, testShared(), testAgent())
		require.NoError(t, err, src)
		require.Equal(t, plain, got, src)
	}
}

func TestCompileErrors(t *testing.T) {
	for _, tt := range []struct {
		src        string
		offset     int
		msg        string
		suggestion string
	}{
		{"ab {{.vars.ratoi}}", 11, "unknown name .vars.ratoi", "ratio"},
		{"höhe {{.world.hohe}}", 15, "unknown name .world.hohe", "höhe"},
		{"{{.previous.world.tarket}}", 18, "unknown name .previous.world.tarket", "target"},
		{"{{.previous.target}}", 12, "unknown name .previous.target", ""},
		{"{{.previous}}", 3, "write .previous.world", ""},
		{"{{$.persona.nmae}}", 12, "unknown name .persona.nmae", "name"},
		{"{{.self.lst}}", 8, "unknown name .self.lst", "last"},
		{"{{.self.last.guss}}", 13, "unknown name .self.last.guss", "guess"},
		{"{{.answers.gues}}", 11, "unknown name .answers.gues", "guess"},
		{"{{.wrld.x}}", 3, "unknown name .wrld", "world"},
		{"{{.Round}}", 3, "unknown name .Round", "round"},
		{"{{.partner.x}}", 3, ".partner is not yet supported", ""},
		{"{{.round.x}}", 9, ".round has no parts", ""},
		{"{{.vars.ratio.x}}", 14, ".vars.ratio has no parts", ""},
		{"{{.persona}}", 3, ".persona is a group of values", ""},
		{"{{.self}}", 3, "write .self.number", ""},
		{"{{.}}", 2, "the point alone is a group", ""},
		{"{{$}}", 2, "$ is a group", ""},
		{`{{index .persona "high shcool"}}`, 17, "unknown name .persona.high shcool", "high school"},
		{`{{index .persona .round}}`, 17, "wants a name in quotes", ""},
		{"{{prinft \"x\"}}", 2, "unknown function prinft", "printf"},
		{"{{call .round}}", 2, "unknown function call", ""},
		{"{{lookup $ 0}}", 2, "unknown function lookup", ""},
		{"{{gt .round}}", 2, "gt cannot take 1 values", ""},
		{"{{.round | gt 1 2}}", 11, "gt cannot take 3 values", ""},
		{`{{printf "%d %d" .round}}`, 9, "wants 2 values, got 1", ""},
		{`{{printf "x %y" .round}}`, 12, "printf knows", ""},
		{`{{printf "%9999d" .round}}`, 10, "width or precision above", ""},
		{`{{printf "%*d" 3 .round}}`, 10, "printf knows", ""},
		{`{{printf "%[1]d" 3}}`, 10, "printf knows", ""},
		{`{{printf .vars.label .round}}`, 14, "printf wants its format in quotes", ""},
		{"{{range .round}}x{{end}}", 8, "range wants a group", ""},
		{"{{range 1000000000}}x{{end}}", 8, "range wants a group", ""},
		{"{{range .vars}}{{range .vars}}{{end}}{{end}}", 23, "range inside range", ""},
		{"{{range .persona}}{{.name}}{{end}}", 21, "write $.name", ""},
		{"{{with .persona}}{{.nmae}}{{end}}", 20, "unknown name .persona.nmae", "name"},
		{"{{with $p := .persona}}{{end}}", 7, "cannot be kept in a variable", ""},
		{"{{$p := .persona}}", 9, "is a group of values", ""},
		{"{{$ = 1}}", 2, "$ cannot be assigned", ""},
		{"{{$x := 1}}{{$x.y}}", 16, "$x is one value", ""},
		{"{{(printf \"x\").y}}", 14, "has no parts", ""},
		{"{{.round .size}}", 2, "only functions take values", ""},
		{"{{eq len 3}}", 5, "put the call of len in parentheses", ""},
		{"{{nil}}", 2, "nil", ""},
		{"{{print 1i}}", 8, "1i is not a number", ""},
		{`ab {{- define "a"}}{{end}}`, 3, "define and block", ""},
		{`{{template "a"}}`, 11, "only text, values", ""},
		{"ok {{.round}} {{if}}{{end}}", 14, "missing value for if", ""},
		{"ok {{.round}} {{end}}", 14, "unexpected {{end}}", ""},
		{"{{if .size}}{{end}}ok {{if .round}} x", 22, "unexpected EOF", ""},
		{"ok {{.round", 3, "unclosed action", ""},
		{"ok {{$x}}", 3, `undefined variable "$x"`, ""},
	} {
		_, err := Compile(tt.src, testScope())
		var ce *expression.CompileError
		require.ErrorAs(t, err, &ce, tt.src)
		require.Contains(t, ce.Msg, tt.msg, tt.src)
		require.Equal(t, tt.suggestion, ce.Suggestion, tt.src)
		require.Equal(t, tt.offset, ce.Offset, "%s: %s", tt.src, ce.Msg)
	}
}

func TestRunErrors(t *testing.T) {
	for _, tt := range []struct {
		src  string
		want error
		text string
	}{
		{"{{.world.late}}", ErrNoValue, ".world.late: no value"},
		{"{{.persona.name}}{{.previous.world.late}}", ErrNoValue, ".previous.world.late: no value"},
		{"{{if .persona.name | eq .world.late}}{{end}}", ErrNoValue, ".world.late"},
		{`{{gt .persona.name 3}}`, ErrArgument, `gt cannot compare "Ann" with "3"`},
		{`{{printf "%d" .world.target}}`, ErrArgument, `printf %d cannot print "33.5"`},
		{"{{$x := `" + strings.Repeat("x", 1000) + "`}}" + strings.Repeat("{{$x = print $x $x}}", 40) + "{{$x}}", ErrTooLong, "print: more than"},
		{"{{$x := `" + strings.Repeat("x", 60000) + "`}}{{print .persona.name}}" + strings.Repeat("{{$x}}", 20), ErrTooLong, "more than"},
	} {
		_, err := render(tt.src, testShared(), testAgent())
		require.ErrorIs(t, err, tt.want, tt.src)
		require.ErrorContains(t, err, tt.text)
		require.NotContains(t, err.Error(), "lookup")
	}
	s := testShared()
	s.Vars["label"] = vars("x", strings.Repeat("y", 50000))["x"]
	big, err := Compile(strings.Repeat("{{.vars.label}}", 30), testScope())
	require.NoError(t, err)
	_, err = big.Bind(s)
	require.ErrorIs(t, err, ErrTooLong)

	a := testAgent()
	a.persona["name"] = strings.Repeat("n", 50000)
	out, err := render(strings.Repeat("{{.persona.name}}", 30), testShared(), a)
	require.ErrorIs(t, err, ErrTooLong)
	require.Empty(t, out)
}

func TestGuardedWorldInFirstRound(t *testing.T) {
	src := "{{if gt .round 1}}Target {{.world.target}}, {{.persona.name}}. {{end}}Go."
	tp, err := Compile(src, testScope())
	require.NoError(t, err)
	require.True(t, tp.PerAgent())
	require.Equal(t, src, tp.Source())

	b, err := tp.Bind(Shared{Vars: testScope().Vars, Round: 1, Rounds: 2})
	require.NoError(t, err)
	require.False(t, b.PerAgent(), "the branch with the agent's name is not taken")
	out, err := b.Append([]byte(">"), nil)
	require.NoError(t, err)
	require.Equal(t, ">Go.", string(out))

	b, err = tp.Bind(testShared())
	require.NoError(t, err)
	require.True(t, b.PerAgent())
	out, err = b.Append(nil, testAgent())
	require.NoError(t, err)
	require.Equal(t, "Target 33.5, Ann. Go.", string(out))
}

func TestDeepNestingIsRefused(t *testing.T) {
	for _, src := range []string{
		strings.Repeat("{{if .round}}", 5000) + strings.Repeat("{{end}}", 5000),
		"{{" + strings.Repeat("(", 5000) + ".round" + strings.Repeat(")", 5000) + "}}",
		strings.Repeat("x", maxSource+1),
	} {
		_, err := Compile(src, testScope())
		var ce *expression.CompileError
		require.ErrorAs(t, err, &ce)
	}
}
