package reading

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
)

const (
	maxDecimals = 9
	// maxCanonical bounds value*10^Decimals so that it is an int64 with room to spare for sums of a few answers.
	maxCanonical = 9e18
	// maxDigits bounds a written number; nobody means more.
	maxDigits = 64
)

var (
	pow10    = [...]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}
	pow10int = [...]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}
)

func formatPlain(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }

// quick reads a reply that is nothing but a plain number such as "33.5" without allocating. It is the whole cost for
// behavioural players and obedient models, so it comes before everything else. ok is false for anything else.
func (r *Reader) quick(s string) (v float64, text string, ok bool) {
	for s != "" && isSpace(s[0]) {
		s = s[1:]
	}
	for s != "" && isSpace(s[len(s)-1]) {
		s = s[:len(s)-1]
	}
	neg := strings.HasPrefix(s, "-")
	body := strings.TrimPrefix(s, "-")
	if body == "" || len(body) > 16 {
		return 0, "", false
	}
	var m uint64
	point := -1
	for i := range len(body) {
		switch c := body[i]; {
		case c >= '0' && c <= '9':
			m = m*10 + uint64(c-'0')
		case c == '.' && point < 0 && i > 0 && i < len(body)-1:
			point = i
		default:
			return 0, "", false
		}
	}
	whole, frac := len(body), 0
	if point >= 0 {
		whole, frac = point, len(body)-point-1
	}
	if whole > 1 && body[0] == '0' || whole+frac > 15 {
		return 0, "", false
	}
	text = s
	if d := r.spec.Decimals; frac > d {
		p := pow10int[frac-d]
		up := m%p >= p/2
		m, frac, text = m/p, d, text[:len(text)-(frac-d)]
		if up {
			m, text = m+1, ""
		}
	}
	if m == 0 {
		return 0, "0", true
	}
	// Below 2^53 and 10^22 both operands are exact, so the division is correctly rounded.
	v = float64(m) / pow10[frac]
	if neg {
		v = -v
	}
	if text == "" {
		return v, formatPlain(v), true
	}
	if point >= 0 {
		text = strings.TrimRight(text, "0")
		text = strings.TrimSuffix(text, ".")
	}
	return v, text, true
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\r' }

// number reads plain decimal notation, with an exponent if there is one, rounds it to the declared decimals and applies
// the bounds. The key is the rounded number, even where the bounds refuse it, or "" where there is none. The text must
// already be free of separators and signs of other kinds (see token).
func (r *Reader) number(s string) (got Reading, key string, err error) {
	v, text, ok := r.quick(s)
	if !ok {
		if v, text, err = r.exact(s); err != nil {
			return Reading{}, "", err
		}
	}
	got, err = r.bounded(v, text)
	return got, text, err
}

// exact is quick for numbers of any length, rounded in decimal so that no binary fraction tips a half.
func (r *Reader) exact(s string) (float64, string, error) {
	if len(s) > maxDigits {
		return 0, "", fmt.Errorf("%w: the number has too many digits", ErrAmbiguous)
	}
	if _, exp, found := strings.Cut(strings.ToLower(s), "e"); found && len(strings.TrimLeft(exp, "+-0")) > 3 {
		return 0, "", fmt.Errorf("%w: %s is not %s", ErrOutOfRange, s, r.bounds())
	}
	q, ok := new(big.Rat).SetString(s)
	if !ok {
		return 0, "", fmt.Errorf("%w: %q is not a plain number", ErrAmbiguous, s)
	}
	scale := new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(r.spec.Decimals)), nil)
	q.Mul(q, new(big.Rat).SetInt(scale))
	// Half away from zero: double, add one in the direction of the sign, divide towards zero.
	twice := new(big.Int).Lsh(q.Num(), 1)
	if q.Sign() < 0 {
		twice.Sub(twice, q.Denom())
	} else {
		twice.Add(twice, q.Denom())
	}
	c := twice.Quo(twice, new(big.Int).Lsh(q.Denom(), 1))
	if new(big.Int).Abs(c).Cmp(big.NewInt(maxCanonical)) > 0 {
		if r.spec.OutOfRange == Clamp {
			if c.Sign() > 0 && !math.IsInf(r.hi, 0) {
				return r.hi, formatPlain(r.hi), nil
			}
			if c.Sign() < 0 && !math.IsInf(r.lo, 0) {
				return r.lo, formatPlain(r.lo), nil
			}
		}
		return 0, "", fmt.Errorf("%w: %s is not %s", ErrOutOfRange, s, r.bounds())
	}
	rounded := new(big.Rat).SetFrac(c, scale)
	v, _ := rounded.Float64()
	text := rounded.FloatString(r.spec.Decimals)
	if strings.Contains(text, ".") {
		text = strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return v, text, nil
}

// bounded applies the bounds to a rounded number.
func (r *Reader) bounded(v float64, text string) (Reading, error) {
	if v < r.lo || v > r.hi || math.Abs(v) > r.limit {
		nearest := min(max(v, r.lo), r.hi)
		if r.spec.OutOfRange != Clamp || math.Abs(nearest) > r.limit {
			return Reading{}, fmt.Errorf("%w: %s is not %s", ErrOutOfRange, text, r.bounds())
		}
		v, text = nearest, formatPlain(nearest)
	}
	if r.spec.Type == TypeLikert && v != math.Trunc(v) {
		return Reading{}, fmt.Errorf("%w: %s is not a whole number", ErrAmbiguous, text)
	}
	return Reading{Value: v, Text: text}, nil
}
