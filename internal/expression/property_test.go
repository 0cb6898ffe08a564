package expression

import (
	"errors"
	"fmt"
	"math"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// drawNumber draws a source text of numbers and its value computed in Go.
func drawNumber(t *rapid.T, depth int) (string, float64) {
	e := testEnv()
	leaf := func() (string, float64) {
		switch rapid.IntRange(0, 4).Draw(t, "leaf") {
		case 0:
			n := rapid.IntRange(0, 1000).Draw(t, "int")
			return fmt.Sprint(n), float64(n)
		case 1:
			f := rapid.Float64Range(0, 10).Draw(t, "float")
			return fmt.Sprintf("%.3f", f), mustFloat(fmt.Sprintf("%.3f", f))
		case 2:
			return "world.target", e.World["target"]
		case 3:
			return "vars.ratio", 2.0 / 3
		}
		return "mean(answers.guess)", 25
	}
	if depth == 0 {
		return leaf()
	}
	a, x := drawNumber(t, depth-1)
	b, y := drawNumber(t, depth-1)
	switch rapid.IntRange(0, 7).Draw(t, "op") {
	case 0:
		return "(" + a + " + " + b + ")", x + y
	case 1:
		return "(" + a + " - " + b + ")", x - y
	case 2:
		return "(" + a + " * " + b + ")", x * y
	case 3:
		return "(" + a + " / (" + b + "))", x / y
	case 4:
		return "-(" + a + ")", -x
	case 5:
		return "min(" + a + ", " + b + ")", math.Min(x, y)
	case 6:
		if x < y {
			return "(" + a + " < " + b + " ? " + a + " : " + b + ")", x
		}
		return "(" + a + " < " + b + " ? " + a + " : " + b + ")", y
	}
	return leaf()
}

func mustFloat(s string) float64 {
	v, _ := ParseValue(s)
	f, _ := v.Float()
	return f
}

func TestArithmeticEqualsGo(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src, want := drawNumber(t, 3)
		p, err := Compile(src, testScope(), UseUpdate)
		require.NoError(t, err, src)
		got, err := p.Number(testEnv())
		if err != nil {
			require.ErrorIs(t, err, ErrNotFinite, src)
			return // Go hides an infinity inside min and <, an expression does not
		}
		require.Equal(t, want, got, src)
	})
}

func TestProgramsRunConcurrently(t *testing.T) {
	p, err := Compile("let m = mean(answers.guess); m * world.target + round", testScope(), UseUpdate)
	require.NoError(t, err)
	var wg sync.WaitGroup
	bad := make([]error, 8)
	for g := range bad {
		wg.Go(func() {
			e := testEnv()
			for i := range 500 {
				e.Round = g*1000 + i
				got, err := p.Number(e)
				if err != nil || got != 25*20+float64(e.Round) {
					bad[g] = fmt.Errorf("round %d: %v %w", e.Round, got, err)
				}
			}
		})
	}
	wg.Wait()
	require.NoError(t, errors.Join(bad...))
}

func FuzzCompile(f *testing.F) {
	for _, s := range []string{
		"vars.ratio * mean(answers.guess)", "round > 1 && abs(world.target - previous.world.target) < 0.01",
		`persona["high school"] == "x" ? 1 : 2`, `share(answers.colour, "red")`, "map(answers.guess, #)", "1..9", "let a = 1; a",
		`vars.label matches "a+"`, "a ?: b", "?.", "{a:1}", "1 < 2 < 3", "round in [1,2]", "::x()", "b\"x\"", "/* */ 1",
	} {
		f.Add(s, uint8(0))
		f.Add(s, uint8(4))
	}
	f.Fuzz(func(t *testing.T, src string, use uint8) {
		p, err := Compile(src, testScope(), Use(use%6))
		if err != nil {
			var ce *CompileError
			require.ErrorAs(t, err, &ce)
			require.True(t, ce.Offset >= 0 && ce.Offset <= len(src))
			require.NotEmpty(t, ce.Msg)
			return
		}
		out, err := p.Any(testEnv())
		if err != nil {
			known := false
			for _, s := range []error{ErrNotFinite, ErrNoAnswers, ErrNoValue, ErrType, ErrArgument, ErrTooLong} {
				known = known || errors.Is(err, s)
			}
			require.True(t, known, err)
			return
		}
		switch v := out.(type) {
		case float64:
			require.False(t, math.IsNaN(v) || math.IsInf(v, 0))
		case string:
			require.Equal(t, UseScripted, Use(use%6))
		case bool:
			require.Equal(t, UseStop, Use(use%6))
		default:
			t.Fatalf("unexpected result %T", out)
		}
	})
}

func benchmark(b *testing.B, src string, use Use) {
	p, err := Compile(src, testScope(), use)
	require.NoError(b, err)
	e := testEnv()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.Any(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkTau(b *testing.B) {
	benchmark(b, `persona.education == "Ph.D." ? 2.5 : vars.ratio`, UsePersona)
}

func BenchmarkConstant(b *testing.B) { benchmark(b, "1.5", UsePersona) }

func BenchmarkScripted(b *testing.B) {
	benchmark(b, "round == 1 ? 50 : clamp(self.guess + vars.ratio * (world.target - self.guess), 0, 100)", UseScripted)
}
