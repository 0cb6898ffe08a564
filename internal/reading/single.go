package reading

import "strings"

// single reads a reply that is nothing but an object with the question's key and a plain number or a choice as declared.
// Servers that are held to a form write nothing else, so it must cost no more than a bare value. What it reads, the long way
// round reads alike; ok is false for everything else.
func (r *Reader) single(reply string) (got Reading, ok bool, err error) {
	value, isText, ok := onlyMember(reply, r.wanted())
	switch {
	case !ok:
	case isText && r.spec.Type == TypeChoice:
		got, ok = r.exactChoice(strings.TrimSpace(value))
		return got, ok, nil
	case !isText && r.spec.Type != TypeChoice:
		if v, text, plain := r.quick(value); plain {
			got, err = r.bounded(v, text)
			return got, true, err
		}
	}
	return Reading{}, false, nil
}

const jsonSpace = " \t\r\n"

// onlyMember gives the value of an object whose only key is the given one: what stands between the quotes of a text without
// escapes, or anything else as it stands.
func onlyMember(s, key string) (value string, isText, ok bool) {
	s = strings.Trim(s, jsonSpace)
	if len(s) < len(key)+len(`{"":}`) || s[0] != '{' || s[len(s)-1] != '}' {
		return "", false, false
	}
	rest, found := strings.CutPrefix(strings.Trim(s[1:len(s)-1], jsonSpace), `"`)
	if !found {
		return "", false, false
	}
	if rest, found = strings.CutPrefix(rest, key); !found {
		return "", false, false
	}
	if rest, found = strings.CutPrefix(rest, `"`); !found {
		return "", false, false
	}
	if rest, found = strings.CutPrefix(strings.TrimLeft(rest, jsonSpace), ":"); !found {
		return "", false, false
	}
	rest = strings.Trim(rest, jsonSpace)
	if len(rest) >= 2 && rest[0] == '"' && rest[len(rest)-1] == '"' {
		rest, isText = rest[1:len(rest)-1], true
		if strings.ContainsFunc(rest, func(c rune) bool { return c == '"' || c == '\\' || c < ' ' }) {
			return "", false, false
		}
	}
	return rest, isText, true
}
