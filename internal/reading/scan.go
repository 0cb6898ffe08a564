package reading

import (
	"fmt"
	"regexp"
	"strings"
)

// maxDepth bounds the nesting of JSON in a reply.
const maxDepth = 64

// member is one key of an object at its top level.
type member struct {
	key      string
	json     string // the value as valid JSON
	complete bool   // the value cannot be the beginning of a longer one
}

// object is JSON found in a reply. The scanner allows what models get wrong and what leaves no doubt about the values:
// single quotes, bare keys, trailing commas, comments, Python's literals, brackets missing at the very end. Libraries
// that repair JSON go further and guess: they turn "33,3" into 33 and close strings where they please. That is why
// repair happens here, in one pass that copies what it has understood.
type object struct {
	end     int    // offset after it
	json    string // the whole as valid JSON, unless it is cut and not clean
	members []member
	repair  bool // it is not valid JSON as it stands
	cut     bool // the text ends before it is closed
	clean   bool // cut, but right after a complete value
}

type scanner struct {
	s   string
	i   int
	fix strings.Builder // valid JSON for what has been scanned
	out object
}

// scanObject scans an object or array that starts at offset at. The error wraps ErrMalformed.
func scanObject(s string, at int) (object, error) {
	p := &scanner{s: s, i: at}
	if _, err := p.value(0); err != nil {
		return object{}, err
	}
	p.out.end, p.out.json = p.i, p.fix.String()
	return p.out, nil
}

func (p *scanner) fail(what string) error {
	return fmt.Errorf("%w: %s near %q", ErrMalformed, what, clip(p.s[min(p.i, len(p.s)):]))
}

// over reports whether the JSON's text ends here: at the end of the reply or of the fence it stands in.
func (p *scanner) over() bool { return p.i >= len(p.s) || strings.HasPrefix(p.s[p.i:], "```") }

// space skips white space and comments.
func (p *scanner) space() {
	for p.i < len(p.s) {
		rest := p.s[p.i:]
		switch {
		case isSpace(rest[0]):
			p.i++
			continue
		case strings.HasPrefix(rest, "//") || rest[0] == '#':
			p.out.repair = true
			if n := strings.IndexByte(rest, '\n'); n >= 0 {
				p.i += n
				continue
			}
			p.i = len(p.s)
		case strings.HasPrefix(rest, "/*"):
			p.out.repair = true
			if n := strings.Index(rest, "*/"); n >= 0 {
				p.i += n + 2
				continue
			}
			p.i = len(p.s)
		}
		return
	}
}

// value scans any value. complete is false when the text ends inside it.
func (p *scanner) value(depth int) (complete bool, err error) {
	if depth > maxDepth {
		return false, p.fail("too deeply nested")
	}
	p.space()
	if p.over() {
		p.out.cut = true
		return false, nil
	}
	switch p.s[p.i] {
	case '{':
		return p.collection(depth, '}')
	case '[':
		return p.collection(depth, ']')
	case '"', '\'':
		_, complete, err = p.text()
		return complete, err
	}
	return p.literal()
}

// collection scans the members of an object or the items of an array.
func (p *scanner) collection(depth int, closing byte) (complete bool, err error) {
	p.fix.WriteByte(p.s[p.i])
	p.i++
	seen := map[string]bool{}
	for fresh := true; ; fresh = false {
		p.space()
		if p.over() {
			p.out.cut = true
			return false, nil
		}
		if p.s[p.i] == closing {
			p.out.repair = p.out.repair || !fresh // a comma came before it
			p.i++
			p.fix.WriteByte(closing)
			return true, nil
		}
		if !fresh {
			p.fix.WriteByte(',')
		}
		var key string
		if closing == '}' {
			key, complete, err = p.key()
			if err != nil || !complete {
				return false, err
			}
			if seen[key] {
				return false, p.fail(fmt.Sprintf("the key %q is there twice", clip(key)))
			}
			seen[key] = true
			p.space()
		}
		from := p.fix.Len()
		complete, err = p.value(depth + 1)
		if err != nil {
			return false, err
		}
		if depth == 0 && closing == '}' {
			p.out.members = append(p.out.members, member{key: key, json: p.fix.String()[from:], complete: complete})
		}
		p.space()
		if complete && p.over() {
			p.out.cut, p.out.clean = true, true
			complete = false
		}
		if !complete {
			p.fix.WriteByte(closing) // of use only if the cut is clean
			return false, nil
		}
		switch p.s[p.i] {
		case ',':
			p.i++
		case closing:
			p.i++
			p.fix.WriteByte(closing)
			return true, nil
		default:
			return false, p.fail("a comma or bracket is missing")
		}
	}
}

var bareKey = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_-]{0,63}`)

// key scans a key and its colon.
func (p *scanner) key() (key string, complete bool, err error) {
	if c := p.s[p.i]; c == '"' || c == '\'' {
		if key, complete, err = p.text(); err != nil || !complete {
			return "", false, err
		}
		if strings.ContainsRune(key, '\\') { // it could be another key in disguise
			return "", false, p.fail("a key has escapes")
		}
	} else {
		key = bareKey.FindString(p.s[p.i:])
		if key == "" {
			return "", false, p.fail("a key is missing")
		}
		p.i += len(key)
		p.fix.WriteString(`"` + key + `"`)
		p.out.repair = true
	}
	p.space()
	if p.over() {
		p.out.cut = true
		return "", false, nil
	}
	if p.s[p.i] != ':' {
		return "", false, p.fail("a colon is missing")
	}
	p.fix.WriteByte(':')
	p.i++
	return key, true, nil
}

// text scans a string and returns what is between its quotes, as JSON escapes it.
func (p *scanner) text() (inside string, complete bool, err error) {
	quote := p.s[p.i]
	p.out.repair = p.out.repair || quote == '\''
	p.fix.WriteByte('"')
	from := p.fix.Len()
	for p.i++; p.i < len(p.s); p.i++ {
		switch c := p.s[p.i]; {
		case c == quote:
			inside = p.fix.String()[from:]
			p.fix.WriteByte('"')
			p.i++
			return inside, true, nil
		case c == '\\' && p.i+1 < len(p.s):
			p.i++
			if p.s[p.i] != '\'' { // JSON has no such escape
				p.fix.WriteByte('\\')
			}
			p.fix.WriteByte(p.s[p.i])
		case c == '"':
			p.fix.WriteString(`\"`)
		case c < ' ':
			return "", false, p.fail("a string is broken by a line break")
		default:
			p.fix.WriteByte(c)
		}
	}
	p.out.cut = true
	return "", false, nil
}

var (
	jsonNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?$`)
	bareRun    = regexp.MustCompile(`^[A-Za-z0-9+.%_-]+`)
)

// literal scans a number or a name. One that ends where the text ends may go on, unless a new line follows it.
func (p *scanner) literal() (complete bool, err error) {
	run := bareRun.FindString(p.s[p.i:])
	from := p.i
	p.i += len(run)
	tail := p.i
	p.space()
	ended := p.over()
	broken := strings.Contains(p.s[tail:p.i], "\n")
	p.i = tail
	if ended && !broken {
		p.out.cut = true
		return false, nil
	}
	switch run {
	case "true", "false", "null":
	case "True", "False":
		run, p.out.repair = strings.ToLower(run), true
	case "None":
		run, p.out.repair = "null", true
	default:
		if !jsonNumber.MatchString(run) {
			p.i = from
			return false, p.fail("not a JSON value")
		}
		// "33,3" in an object is a decimal comma, and only looks like a number and something else.
		if len(p.s) > tail+1 && p.s[tail] == ',' && p.s[tail+1] >= '0' && p.s[tail+1] <= '9' && p.inObject(from) {
			p.i = from
			return false, p.fail("a decimal comma")
		}
	}
	p.fix.WriteString(run)
	return true, nil
}

// inObject reports whether the value at from follows a key.
func (p *scanner) inObject(from int) bool {
	return strings.HasSuffix(strings.TrimRight(p.s[:from], " \n\t\r"), ":")
}
