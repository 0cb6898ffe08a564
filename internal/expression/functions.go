package expression

import (
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"

	"github.com/expr-lang/expr/builtin"
)

const maxText = 64 << 10 // bytes a text may grow to by +

// function is a function of plain values that a source text may call.
type function struct {
	params   []kind
	variadic bool // the last parameter may repeat
	call     func(args ...any) (any, error)
}

// aggregate is a function of one column.
type aggregate func(Column) (float64, bool)

var aggregates = map[string]aggregate{
	"mean":   Column.Mean,
	"sum":    Column.Sum,
	"count":  func(c Column) (float64, bool) { return float64(c.Count()), true },
	"min":    func(c Column) (float64, bool) { lo, _, ok := c.MinMax(); return lo, ok },
	"max":    func(c Column) (float64, bool) { _, hi, ok := c.MinMax(); return hi, ok },
	"std":    Column.Std,
	"median": Column.Median,
}

var functions = map[string]function{
	"abs":   math1(math.Abs),
	"round": math1(math.Round),
	"floor": math1(math.Floor),
	"ceil":  math1(math.Ceil),
	"sqrt":  math1(math.Sqrt),
	"exp":   math1(math.Exp),
	"log":   math1(math.Log),
	"min":   {[]kind{number}, true, fold(math.Min)},
	"max":   {[]kind{number}, true, fold(math.Max)},
	"clamp": {[]kind{number, number, number}, false, clamp},
	"number": {[]kind{text}, false, func(args ...any) (any, error) {
		f, err := strconv.ParseFloat(args[0].(string), 64)
		if err != nil || !finite(f) {
			return nil, fmt.Errorf("number(%.40q): %w", args[0], ErrArgument)
		}
		return f, nil
	}},
}

func finite(f float64) bool { return !math.IsNaN(f) && !math.IsInf(f, 0) }

// finiteFn guards what a condition compares: NaN and infinities compare without complaint and would hide a mistake.
func finiteFn(args ...any) (any, error) {
	if f := args[0].(float64); !finite(f) {
		return nil, ErrNotFinite
	}
	return args[0], nil
}

// finiteArgs refuses infinities too: min(1/0, 5) would be 5.
func finiteArgs(args []any) error {
	for _, a := range args {
		if !finite(a.(float64)) {
			return ErrNotFinite
		}
	}
	return nil
}

func math1(f func(float64) float64) function {
	return function{[]kind{number}, false, func(args ...any) (any, error) {
		if err := finiteArgs(args); err != nil {
			return nil, err
		}
		return f(args[0].(float64)), nil
	}}
}

func fold(f func(a, b float64) float64) func(args ...any) (any, error) {
	return func(args ...any) (any, error) {
		if err := finiteArgs(args); err != nil {
			return nil, err
		}
		out := args[0].(float64)
		for _, a := range args[1:] {
			out = f(out, a.(float64))
		}
		return out, nil
	}
}

func clamp(args ...any) (any, error) {
	if err := finiteArgs(args); err != nil {
		return nil, err
	}
	v, lo, hi := args[0].(float64), args[1].(float64), args[2].(float64)
	if lo > hi {
		return nil, fmt.Errorf("clamp: low %v above high %v: %w", lo, hi, ErrArgument)
	}
	return min(max(v, lo), hi), nil
}

func modulo(args ...any) (any, error) { return math.Mod(args[0].(float64), args[1].(float64)), nil }

func concat(args ...any) (any, error) {
	a, b := args[0].(string), args[1].(string)
	if len(a)+len(b) > maxText {
		return nil, fmt.Errorf("more than %d bytes: %w", maxText, ErrTooLong)
	}
	return a + b, nil
}

var goTypes = [...]reflect.Type{
	number: reflect.TypeFor[float64](), text: reflect.TypeFor[string](), truth: reflect.TypeFor[bool](), mixed: reflect.TypeFor[any](),
}

// register adds a function for the checker and the compiler of expr, typed by its parameters and result.
func register(table map[string]*builtin.Function, name string, fn func(...any) (any, error), in []reflect.Type, out kind) {
	t := reflect.FuncOf(in, []reflect.Type{goTypes[out]}, false)
	table[name] = &builtin.Function{Name: name, Func: fn, Types: []reflect.Type{t}}
}

func validPattern(p string) error {
	_, err := regexp.Compile(p)
	return err
}
