package template

import (
	"fmt"
	"math"
	"strings"
)

const maxPad = 200 // largest width and precision of printf

// directive is one % of a format.
type directive struct {
	spec string // with flags, width and precision, such as %-8.2f
	verb byte
	at   int // byte offset in the format
}

// formatError is what is wrong with a format, at a byte offset in it.
type formatError struct {
	at  int
	msg string
}

func (e *formatError) Error() string { return e.msg }

// parseFormat takes a printf format apart into literal text and directives: parts[i] stands before directive i.
func parseFormat(format string) (parts []string, ds []directive, err error) {
	rest, start := "", 0
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			continue
		}
		j := i + 1
		for j < len(format) && strings.IndexByte("+-# 0", format[j]) >= 0 {
			j++
		}
		for n := 0; j < len(format) && (format[j] == '.' || format[j] >= '0' && format[j] <= '9'); j++ {
			if n = n*10 + int(format[j]-'0'); format[j] == '.' {
				n = 0
			}
			if n > maxPad {
				return nil, nil, &formatError{i, fmt.Sprintf("printf width or precision above %d", maxPad)}
			}
		}
		if j == len(format) || strings.IndexByte("vsqdfFeEgGtxX%", format[j]) < 0 {
			return nil, nil, &formatError{i, "printf knows %v %s %q %d %f %e %g %t %x and %%"}
		}
		if format[j] == '%' {
			if j != i+1 {
				return nil, nil, &formatError{i, "write %% for a percent sign"}
			}
			rest += format[start:j]
		} else {
			parts = append(parts, rest+format[start:i])
			ds = append(ds, directive{format[i : j+1], format[j], i})
			rest = ""
		}
		start, i = j+1, j
	}
	return append(parts, rest+format[start:]), ds, nil
}

// printf formats like fmt.Sprintf, except that a verb for numbers takes any kind of number, and a text that is one, and
// that a value that does not fit its verb is an error instead of "%!d(...)" in a prompt.
func printf(format string, args ...any) (string, error) {
	parts, ds, err := parseFormat(format)
	if err != nil {
		return "", runError{fmt.Errorf("%w: %w", err, ErrArgument)}
	}
	if len(ds) != len(args) {
		return "", runError{fmt.Errorf("printf %q wants %d values, got %d: %w", format, len(ds), len(args), ErrArgument)}
	}
	out := []byte(parts[0])
	for i, d := range ds {
		v, ok := fit(d.verb, args[i])
		if !ok {
			return "", runError{fmt.Errorf("printf %s cannot print %.40q: %w", d.spec, fmt.Sprint(args[i]), ErrArgument)}
		}
		out = append(fmt.Appendf(out, d.spec, v), parts[i+1]...)
		if len(out) > maxText {
			return "", tooLong("printf")
		}
	}
	return string(out), nil
}

// fit converts a value to what a verb of package fmt takes.
func fit(verb byte, v any) (any, bool) {
	switch verb {
	case 'd':
		f, ok := numberIn(v)
		return int64(f), ok && f == math.Trunc(f) && math.Abs(f) < 1<<53
	case 'f', 'F', 'e', 'E', 'g', 'G':
		f, ok := numberIn(v)
		return f, ok
	case 't':
		_, ok := v.(bool)
		return v, ok
	case 'x', 'X':
		if f, ok := number(v); ok {
			return int64(f), f == math.Trunc(f) && math.Abs(f) < 1<<53
		}
	}
	return fmt.Sprint(v), true
}
