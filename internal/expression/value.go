package expression

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

type valueKind uint8

const (
	valueText valueKind = iota
	valueNumber
	valueTruth
)

// Value is one entry of a scenario's vars: a number, a text or a truth value. A number keeps the way it was written, so
// 2/3 prints as 2/3 and is the float64 nearest to two thirds in an expression. The zero Value is the empty text.
type Value struct {
	kind valueKind
	num  float64 // valueNumber: the nearest float64; valueTruth: 0 or 1
	src  string
}

// Vars are the named constants of a scenario.
type Vars map[string]Value

var (
	ratioPattern   = regexp.MustCompile(`^([+-]?[0-9]{1,100}) ?/ ?([0-9]{1,100})$`)
	decimalPattern = regexp.MustCompile(`^[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?$`)
)

// ParseValue reads a value: "2/3", "0.5" and "100" are numbers, "true" and "false" are truth values, anything else is
// text. ParseValue(v.String()) gives v again. A number without a finite value is ErrBadNumber.
func ParseValue(src string) (Value, error) {
	switch {
	case src == "true":
		return Value{kind: valueTruth, num: 1, src: src}, nil
	case src == "false":
		return Value{kind: valueTruth, src: src}, nil
	case decimalPattern.MatchString(src):
		f, err := strconv.ParseFloat(src, 64)
		if err != nil {
			return Value{}, fmt.Errorf("%q: %w", src, ErrBadNumber)
		}
		return Value{kind: valueNumber, num: f, src: src}, nil
	}
	m := ratioPattern.FindStringSubmatch(src)
	if m == nil {
		return Value{src: src}, nil
	}
	num, _ := new(big.Int).SetString(strings.TrimPrefix(m[1], "+"), 10)
	den, _ := new(big.Int).SetString(m[2], 10)
	if den.Sign() == 0 {
		return Value{}, fmt.Errorf("%q divides by zero: %w", src, ErrBadNumber)
	}
	f, _ := new(big.Rat).SetFrac(num, den).Float64()
	return Value{kind: valueNumber, num: f, src: src}, nil
}

// Float returns the float64 nearest to a number; false if the value is not a number.
func (v Value) Float() (float64, bool) { return v.num, v.kind == valueNumber }

// Bool returns a truth value; false as second result if the value is not one.
func (v Value) Bool() (value, ok bool) { return v.num != 0, v.kind == valueTruth }

// String returns the value as it was written.
func (v Value) String() string { return v.src }

// Format implements fmt.Formatter: %v, %s and %q give the value as written, verbs for numbers format the number
// (%d only where it is an integer), %t a truth value.
func (v Value) Format(f fmt.State, verb rune) {
	var arg any = v.src
	if !strings.ContainsRune("vsq", verb) {
		switch v.kind {
		case valueNumber:
			arg = v.num
			if verb == 'd' && v.num == math.Trunc(v.num) && math.Abs(v.num) < 1<<53 {
				arg = int64(v.num)
			}
		case valueTruth:
			arg = v.num != 0
		}
	}
	fmt.Fprintf(f, fmt.FormatString(f, verb), arg)
}
