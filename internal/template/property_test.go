package template

import (
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/expression"
)

var (
	leaves = []string{
		".vars.ratio", ".vars.low", ".vars.label", ".vars.on", ".world.target", ".world.höhe", ".previous.world.target", ".round",
		".size", ".persona.name", ".persona.age", ".persona.none", ".self.number", ".self.block", ".self.last.guess", ".self.last.why",
		".answers.why", ".answers.guess", `"lit"`, "2.50", "7", "true", `(index .persona "high school")`,
	}
	texts = []string{"a ", "\n", "ü", " {x} ", "", "Report a number. "}
)

// drawValue draws a pipeline without variables, with root names written as prefix + name.
func drawValue(t *rapid.T, prefix string, depth int) string {
	leaf := func() string {
		s := rapid.SampledFrom(leaves).Draw(t, "leaf")
		s = strings.ReplaceAll(s, "index .", "index "+prefix+".")
		if strings.HasPrefix(s, ".") {
			s = prefix + s
		}
		return s
	}
	if depth == 0 {
		return leaf()
	}
	sub := func() string { return drawValue(t, prefix, depth-1) }
	switch rapid.IntRange(0, 9).Draw(t, "op") {
	case 0:
		return "(eq " + sub() + " " + sub() + ")"
	case 1:
		return "(ne " + sub() + " " + sub() + ")"
	case 2:
		return "(gt " + prefix + ".self.number " + prefix + ".vars.ratio)"
	case 3:
		return "(and " + sub() + " " + sub() + ")"
	case 4:
		return "(or " + sub() + " " + sub() + ")"
	case 5:
		return "(not " + sub() + ")"
	case 6:
		return `(printf "<%v>" ` + sub() + ")"
	case 7:
		return "(print " + sub() + " 1)"
	case 8:
		return `(` + sub() + ` | html)`
	}
	return leaf()
}

func drawTemplate(t *rapid.T, prefix string, depth int, inRange bool) string {
	var out strings.Builder
	for range rapid.IntRange(0, 4).Draw(t, "nodes") {
		out.WriteString(rapid.SampledFrom(texts).Draw(t, "text"))
		value := drawValue(t, prefix, rapid.IntRange(0, 2).Draw(t, "depth"))
		kind := rapid.IntRange(0, 8).Draw(t, "kind")
		if depth == 0 {
			kind = 0
		}
		body := func(prefix string, inRange bool) string { return drawTemplate(t, prefix, depth-1, inRange) }
		switch kind {
		case 1, 2:
			out.WriteString("{{if " + value + "}}" + body(prefix, inRange) + "{{end}}")
		case 3:
			out.WriteString("{{if " + value + "}}" + body(prefix, inRange) + "{{else}}" + body(prefix, inRange) + "{{end}}")
		case 4:
			out.WriteString("{{with " + value + "}}[{{.}}]" + body("$", inRange) + "{{else}}" + body(prefix, inRange) + "{{end}}")
		case 5:
			out.WriteString("{{$x := " + value + "}}{{if " + prefix + ".persona.name}}{{$x = " + value + "}}{{end}}{{$x}}")
		case 6:
			if !inRange {
				group := rapid.SampledFrom([]string{".persona", ".vars", ".world", ".self.last", ".answers"}).Draw(t, "group")
				out.WriteString("{{range $k, $v := " + prefix + group + "}}{{$k}}:{{$v}}={{.}}" + body("$", true) + "{{end}}")
			}
		case 7:
			out.WriteString("{{- with " + prefix + ".persona}}{{.name}}{{end -}}")
		default:
			out.WriteString("{{" + value + "}}")
		}
	}
	return out.String()
}

func TestSegmentsEqualTextTemplate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src := drawTemplate(t, "", 3, false)
		a := testAgent()
		a.number = rapid.IntRange(0, 3).Draw(t, "number")
		a.persona["name"] = rapid.SampledFrom([]string{"", "Ann", "<b>&", "0"}).Draw(t, "name")
		a.last["guess"] = rapid.SampledFrom([]string{"", "0", "33.5"}).Draw(t, "guess")
		want, err := reference(src, testShared(), a)
		require.NoError(t, err, src)
		got, err := render(src, testShared(), a)
		require.NoError(t, err, src)
		require.Equal(t, want, got, src)
	})
}

func TestComparisonsOfMixedNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mixed := func(f int) any { // the number f/4 in some type
			switch v, _ := expression.ParseValue(strconv.Itoa(f) + "/4"); rapid.IntRange(0, 3).Draw(t, "type") {
			case 0:
				return float64(f) / 4
			case 1:
				return worldNumber(f) / 4
			case 2:
				return v
			}
			if f%4 == 0 {
				return f / 4
			}
			return strconv.Itoa(f) + "/4"
		}
		x, y := rapid.IntRange(-40, 40).Draw(t, "x"), rapid.IntRange(-40, 40).Draw(t, "y")
		a, b := mixed(x), mixed(y)
		_, textA := a.(string)
		_, textB := b.(string)
		if !textA || !textB { // two texts are compared as texts
			require.Equal(t, x == y, equal(a, b))
		}
		fs := funcs()
		for name, want := range map[string]bool{"lt": x < y, "le": x <= y, "gt": x > y, "ge": x >= y} {
			got, err := fs[name].(func(a, b any) (bool, error))(a, b)
			require.NoError(t, err)
			require.Equal(t, want, got, name)
		}
	})
}

func TestAppendConcurrently(t *testing.T) {
	tp, err := Compile("{{.persona.name}} {{if gt .self.number 1}}{{.self.number}}{{end}} {{range .persona}}{{.}},{{end}}{{.world.target}}", testScope())
	require.NoError(t, err)
	b, err := tp.Bind(testShared())
	require.NoError(t, err)
	bad := make([]error, 8)
	var wg sync.WaitGroup
	for g := range bad {
		wg.Go(func() {
			a := testAgent()
			a.number = g
			want, err := reference(tp.Source(), testShared(), a)
			var buf []byte
			for range 100 {
				out, errA := b.Append(buf[:0], a)
				if buf = out; errA != nil || err != nil || string(out) != want {
					bad[g] = errors.Join(err, errA, errors.New("got "+string(out)))
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(bad...))
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		"{{.vars.ratio}} {{.persona.name}}", "{{if gt .round 1}}{{.world.late}}{{end}}", `{{printf "%.2f" .vars.ratio}}`,
		`{{index .persona "high school"}}`, "{{range $k, $v := .persona}}{{$k}}{{$v}}{{break}}{{end}}", "{{with .persona}}{{.name}}{{end}}",
		"{{$x := 1}}{{$x = 2}}{{$x}}", `{{define "a"}}{{end}}`, "{{slice .persona.name 0 9}}", "{{-  1 -}}", "{{/* c */}}", "{{.self.last.guess | len}}",
		"{{if $x := .persona.name}}{{$x}}{{else with .vars}}{{.low}}{{end}}", "{{print nil}}", "{{(.vars).low}}", "{{len 3}}", "{{$}}", "{{$ = 1}}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		tp, err := Compile(src, testScope())
		if err != nil {
			var ce *expression.CompileError
			require.ErrorAs(t, err, &ce)
			require.True(t, ce.Offset >= 0 && ce.Offset <= len(src), "%d", ce.Offset)
			require.NotEmpty(t, ce.Msg)
			return
		}
		a := testAgent()
		want, wantErr := reference(src, testShared(), a)
		var got []byte
		b, err := tp.Bind(testShared())
		if err == nil {
			if got, err = b.Append(nil, a); !tp.PerAgent() {
				require.False(t, b.PerAgent())
			}
		}
		if wantErr == nil {
			require.NoError(t, err)
			require.Equal(t, want, string(got))
		} else {
			require.Error(t, err, "the reference fails: %v", wantErr)
		}
	})
}

func benchmark(b *testing.B, src string) {
	tp, err := Compile(src, testScope())
	require.NoError(b, err)
	bound, err := tp.Bind(testShared())
	require.NoError(b, err)
	a, buf := testAgent(), make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bound.Append(buf, a); err != nil {
			b.Fatal(err)
		}
	}
}

const prompt = `You are {{.persona.name}}, with {{.persona.education}}. Report a number from {{.vars.low}} to {{.vars.high}}; the one closest to
{{.vars.ratio}} of the average wins. {{if gt .round 1}}The target was {{printf "%.2f" .world.target}}.{{end}}`

func BenchmarkTwoFields(b *testing.B) { benchmark(b, prompt) }

func BenchmarkOwnBranch(b *testing.B) {
	benchmark(b, prompt+"{{if .self.last.guess}}You said {{.self.last.guess}}.{{end}}")
}

func BenchmarkFallback(b *testing.B) { benchmark(b, prompt+"{{range .persona}}{{.}} {{end}}") }

func TestAppendDoesNotAllocate(t *testing.T) {
	tp, err := Compile(prompt+"{{if .self.last.guess}}You, {{.self.number}}, said {{.self.last.guess}}.{{end}}", testScope())
	require.NoError(t, err)
	bound, err := tp.Bind(testShared())
	require.NoError(t, err)
	a, buf := testAgent(), make([]byte, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(100, func() { _, err = bound.Append(buf, a) }))
	require.NoError(t, err)
}
