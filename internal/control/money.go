package control

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Money is an amount in millionths of the unit of the price table. As text and in JSON it is an exact decimal such as
// "5.25"; a JSON number is read as well. Nothing is ever rounded.
type Money uint64

const moneyDecimals = 6

// ErrMoney: a text is no amount of money.
var ErrMoney = errors.New("want an amount such as 5.25, with at most 6 decimals")

// ParseMoney reads a decimal without sign or exponent. Error: ErrMoney.
func ParseMoney(text string) (Money, error) {
	whole, rest, point := strings.Cut(text, ".")
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	if whole == "" || !digits(whole) || !digits(rest) || point && rest == "" || len(rest) > moneyDecimals {
		return 0, fmt.Errorf("%w, not %.40q", ErrMoney, text)
	}
	const unit = 1_000_000
	units, err := strconv.ParseUint(whole, 10, 64)
	part, _ := strconv.ParseUint((rest + "000000")[:moneyDecimals], 10, 64) // six digits
	if err != nil || units > (math.MaxUint64-part)/unit {
		return 0, fmt.Errorf("%w, not %.40q: it is too much", ErrMoney, text)
	}
	return Money(units*unit + part), nil
}

// String is the amount with two decimals, and as many more as it needs.
func (m Money) String() string {
	s := fmt.Sprintf("%d.%06d", uint64(m)/1_000_000, uint64(m)%1_000_000)
	return s[:len(s)-4] + strings.TrimRight(s[len(s)-4:], "0")
}

// UnmarshalText reads what ParseMoney does.
func (m *Money) UnmarshalText(text []byte) error {
	v, err := ParseMoney(string(text))
	if err == nil {
		*m = v
	}
	return err
}

// MarshalJSON writes a JSON string.
func (m Money) MarshalJSON() ([]byte, error) { return []byte(`"` + m.String() + `"`), nil }

// UnmarshalJSON reads a JSON string or number.
func (m *Money) UnmarshalJSON(data []byte) error {
	return m.UnmarshalText(bytes.Trim(data, `"`))
}
