package reading

import (
	"fmt"
	"strings"
)

// token turns a number as people write it into plain notation that Reader.number reads: "1,234.5" is 1234.5 and "33,3"
// is 33.3. What can be read in two ways is refused: ranges, fractions, percentages, dates, money, numbers in words.
func (r *Reader) token(core string) (string, error) {
	unreadable := fmt.Errorf("%w: %q is not a plain number", ErrAmbiguous, clip(core))
	body, sign := core, ""
	if body != "" && (body[0] == '-' || body[0] == '+') {
		if body[0] == '-' {
			sign = "-"
		}
		body = body[1:]
	}
	mantissa, exponent, scientific := strings.Cut(body, "e")
	if scientific {
		digits := strings.TrimPrefix(strings.TrimPrefix(exponent, "-"), "+")
		if !allDigits(digits) || len(exponent)-len(digits) > 1 || strings.ContainsAny(mantissa, ","+string(group)) {
			return "", unreadable
		}
		exponent = "e" + exponent
	}
	points, commas := strings.Count(mantissa, "."), strings.Count(mantissa, ",")
	spaces := strings.Count(mantissa, string(group))
	var whole, frac string
	switch {
	case points+commas+spaces == 0:
		whole = mantissa
	case commas == 0 && spaces == 0 && points == 1:
		whole, frac, _ = strings.Cut(mantissa, ".")
		if whole == "" {
			whole = "0"
		}
		// Where a point sets thousands apart, "1.500" is 1500.
		if !scientific && len(frac) == 3 && len(whole) <= 3 && whole[0] != '0' && r.allows(sign+whole+frac) {
			return "", fmt.Errorf("%w: %q may be thousands or decimals", ErrAmbiguous, core)
		}
	case commas == 1 && points == 0 && spaces == 0:
		whole, frac, _ = strings.Cut(mantissa, ",")
		if len(frac) == 3 && len(whole) <= 3 && !strings.HasPrefix(whole, "0") {
			if !r.allows(sign+whole+frac) && r.allows(sign+whole+"."+frac) {
				return "", fmt.Errorf("%w: %q may be thousands or decimals", ErrAmbiguous, core)
			}
			whole, frac = whole+frac, ""
			break
		}
		if whole == "" {
			return "", unreadable
		}
	default:
		var ok bool
		whole, frac, ok = grouped(mantissa)
		if !ok {
			return "", unreadable
		}
	}
	if !allDigits(whole) || frac != "" && !allDigits(frac) || len(whole) > 1 && whole[0] == '0' {
		return "", unreadable
	}
	if frac == "" && points+commas == 1 && strings.HasSuffix(mantissa, ".") {
		return "", unreadable
	}
	plain := sign + whole
	if frac != "" {
		plain += "." + frac
	}
	return plain + exponent, nil
}

// grouped reads a number whose thousands are set apart by one mark and whose decimals, if any, by another.
func grouped(s string) (whole, frac string, ok bool) {
	decimal := strings.LastIndexAny(s, ".,")
	mark := ","
	switch {
	case strings.Contains(s, string(group)):
		mark = string(group)
		if strings.Count(s, ".")+strings.Count(s, ",") > 1 {
			return "", "", false
		}
	case strings.Count(s, ",") > 0 && strings.Count(s, ".") > 0:
		if s[decimal] == ',' {
			mark = "."
		}
	default: // one kind of mark, several times: only "1,234,567" has one meaning
		decimal = -1
	}
	whole = s
	if decimal >= 0 {
		whole, frac = s[:decimal], s[decimal+1:]
		if frac == "" {
			return "", "", false
		}
	}
	parts := strings.Split(whole, mark)
	if len(parts) < 2 || len(parts[0]) == 0 || len(parts[0]) > 3 || parts[0][0] == '0' {
		return "", "", false
	}
	for _, p := range parts[1:] {
		if len(p) != 3 {
			return "", "", false
		}
	}
	return strings.Join(parts, ""), frac, true
}

// allows reports whether a plain number is within the declared bounds.
func (r *Reader) allows(plain string) bool {
	v, _, err := r.exact(plain)
	return err == nil && v >= r.lo && v <= r.hi
}

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}

// clip shortens what is quoted in an error.
func clip(s string) string {
	const most = 40
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
