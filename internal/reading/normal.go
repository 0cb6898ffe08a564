package reading

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Runes with a meaning of ours, from the private area so that no reply needs them; they are dropped from replies.
const (
	group = '\ue000' // between digit groups of a number written with narrow or non-breaking spaces
	place = '\ue001' // where an object was cut out of the text
)

// normalise rewrites prose so that the rest of the package sees one spelling of everything: ASCII digits, signs and
// quotes, a space between a letter without case and a digit, answers in LaTeX boxes and answer elements as "Answer:"
// lines, and neither markup nor emphasis.
func normalise(s string) (string, error) {
	s, err := untag(plainRunes(s))
	if err != nil {
		return "", err
	}
	s, err = unbox(s)
	if err != nil {
		return "", err
	}
	return unmark(s), nil
}

// plainRunes maps the many spellings of digits, signs, quotes and spaces to one.
func plainRunes(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	var last rune // last rune written, 0 at the start
	for i, c := range s {
		if c >= '！' && c <= '～' && c != '，' { // full-width forms of ASCII
			c -= '！' - '!'
			if c == ':' || c == ';' || c == '!' || c == '?' {
				b.WriteRune(c)
				c = ' '
			}
		}
		switch c {
		case '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff', '\u200e', '\u200f', '\u00ad', '\r':
			continue
		case '\u00a0', '\u202f', '\u2009', '\u2007':
			_, width := utf8.DecodeRuneInString(s[i:])
			next, _ := utf8.DecodeRuneInString(s[i+width:])
			if unicode.IsDigit(last) && unicode.IsDigit(next) {
				c = group
			} else {
				c = ' '
			}
		case '，', '、':
			b.WriteByte(',')
			c = ' '
		case '。', '｡':
			b.WriteByte('.')
			c = ' '
		case '\u066b':
			c = '.'
		case '\u066c':
			c = ','
		case '\u2212', '\ufe63':
			c = '-'
		case '’', '‘', '´', 'ʼ':
			c = '\''
		case '“', '”', '„', '«', '»', '「', '」', '『', '』':
			c = '"'
		}
		if c > unicode.MaxASCII && unicode.IsDigit(c) {
			c = '0' + digit(c)
		}
		if unscripted(last) && c >= '0' && c <= '9' || unscripted(c) && last >= '0' && last <= '9' {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
		last = c
	}
	return b.String()
}

// digit is the value of a decimal digit of any script: each script has its ten in order, from zero.
func digit(c rune) rune {
	for _, t := range unicode.Nd.R16 {
		if c >= rune(t.Lo) && c <= rune(t.Hi) {
			return (c - rune(t.Lo)) % 10
		}
	}
	for _, t := range unicode.Nd.R32 {
		if c >= rune(t.Lo) && c <= rune(t.Hi) {
			return (c - rune(t.Lo)) % 10
		}
	}
	return 0
}

// unscripted reports a letter of a script that puts no spaces between words.
func unscripted(c rune) bool {
	return c > unicode.MaxASCII && unicode.In(c, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai)
}

// blocks are the elements that separate text and say nothing about it.
var blocks = words(`p div br hr table thead tbody tr td th ul ol li h1 h2 h3 h4 h5 h6 html body pre blockquote section response
	output result final_answer`)

// untag drops HTML tags. Block elements become line breaks, <answer> becomes a tag of ours. Struck text, comments and
// elements we do not know may change the meaning of a value, so they leave a mark that turns it away (see turning).
func untag(s string) (string, error) {
	if !strings.Contains(s, "<") {
		return s, nil
	}
	var b strings.Builder
	b.Grow(len(s))
	open := false
	for i := 0; i < len(s); i++ {
		name, width := element(s[i:])
		switch strings.ToLower(name) {
		case "":
			b.WriteByte(s[i])
			continue
		case "s", "/s", "del", "/del", "strike", "/strike", "!--":
			b.WriteString(" ~~ ")
		case "sup", "sub":
			b.WriteByte('^')
		case "answer":
			b.WriteString("\nAnswer: ")
			open = true
		case "/answer":
			b.WriteString("\n\n")
			open = false
		case "b", "/b", "i", "/i", "em", "/em", "strong", "/strong", "span", "/span", "code", "/code", "u", "/u", "mark", "/mark", "/sup", "/sub":
		default:
			if !blocks[strings.ToLower(strings.TrimPrefix(name, "/"))] {
				b.WriteString(" ~~ ")
				break
			}
			b.WriteString("\n")
		}
		i += width - 1
	}
	if open {
		return "", ErrTruncated
	}
	return b.String(), nil
}

// element returns the name and width of the HTML tag at the start of s, or "". Attributes may be up to 64 bytes long.
func element(s string) (string, int) {
	if s[0] != '<' {
		return "", 0
	}
	if strings.HasPrefix(s, "<!--") {
		return "!--", len("<!--")
	}
	end := strings.IndexAny(s[1:min(len(s), 66)], "<>")
	if end < 1 || s[end+1] != '>' {
		return "", 0
	}
	name := s[1 : end+1]
	if cut := strings.IndexAny(name[1:], " \n/"); cut >= 0 {
		name = name[:cut+1]
	}
	letter := strings.TrimPrefix(name, "/")
	if letter == "" || letter[0]|0x20 < 'a' || letter[0]|0x20 > 'z' {
		return "", 0
	}
	return name, end + 2
}

// unbox turns \boxed{33} into an "Answer: 33" line and drops the marks of LaTeX formulas.
func unbox(s string) (string, error) {
	const box = `\boxed{`
	if !strings.Contains(s, `\`) && !strings.Contains(s, "$$") {
		return s, nil
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(s, box)
		b.WriteString(before)
		if !found {
			break
		}
		depth, end := 1, -1
		for i := range len(rest) {
			switch rest[i] {
			case '{':
				depth++
			case '}':
				depth--
			}
			if depth == 0 {
				end = i
				break
			}
		}
		if end < 0 {
			return "", ErrTruncated
		}
		inside := rest[:end]
		if text, ok := strings.CutPrefix(inside, `\text{`); ok {
			inside = strings.TrimSuffix(text, "}")
		}
		b.WriteString("\nAnswer: " + inside + "\n\n")
		s = rest[end+1:]
	}
	return strings.NewReplacer(`\(`, "", `\)`, "", `\[`, "", `\]`, "", "$$", "").Replace(b.String()), nil
}

// unmark drops runs of emphasis marks, except between two word characters, where they may be multiplication or part of
// a name, and separates "Answer:" from a value glued to it.
func unmark(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		c := s[i]
		if c != '*' && c != '_' && c != '`' {
			b.WriteByte(c)
			i++
			continue
		}
		end := i
		for end < len(s) && (s[end] == '*' || s[end] == '_' || s[end] == '`') {
			end++
		}
		alone := (i == 0 || isSpace(s[i-1])) && (end == len(s) || isSpace(s[end])) && end-i == 1
		switch {
		case alone || i > 0 && end < len(s) && (wordByte(s[i-1]) || s[i-1] == '.' || s[i-1] == ')') && (wordByte(s[end]) || s[end] == '('):
			b.WriteString(s[i:end])
		case i > 0 && s[i-1] >= utf8.RuneSelf || end < len(s) && s[end] >= utf8.RuneSelf:
			b.WriteByte(' ') // scripts without spaces put emphasis right between two words
		}
		i = end
	}
	out := b.String()
	lower := asciiLower(out)
	b.Reset()
	for {
		at := strings.Index(lower, "answer:")
		if at < 0 {
			break
		}
		at += len("answer:")
		b.WriteString(out[:at])
		b.WriteByte(' ')
		out, lower = out[at:], lower[at:]
	}
	b.WriteString(out)
	return b.String()
}

func wordByte(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'z'
}
