package fakevllm

import (
	"bytes"
	"math"
	"slices"
	"strconv"
)

// question is what a prompt seems to ask for: one of choices, a number of a range, or a text.
type question struct {
	quoted   []byte // the prompt shows a reply that ends in this answer: it is what a reader of the reply would copy
	terse    bool   // the prompt wants nothing beside the answer
	choices  [][]byte
	low      float64
	high     float64
	decimals int
	ranged   bool
}

// look reads the question: in the last message of the user first, then in what was said before.
func look(messages []message) question {
	q := lookForQuestion(messages)
	for i := range messages {
		q.terse = q.terse || messages[i].role != "assistant" && bytes.Contains(messages[i].text, []byte("othing else"))
	}
	return q
}

func lookForQuestion(messages []message) question {
	last := len(messages) - 1
	for last > 0 && messages[last].role != "user" {
		last--
	}
	if quoted := lookForReply(messages[last].text); quoted != nil {
		return question{quoted: quoted}
	}
	if q, ok := lookAt(messages[last].text); ok {
		return q
	}
	for i := range slices.Backward(messages) {
		if i != last && messages[i].role != "assistant" {
			if q, ok := lookAt(messages[i].text); ok {
				return q
			}
		}
	}
	return question{}
}

// lookForReply finds the last line of a text that begins with "Answer: ".
func lookForReply(text []byte) []byte {
	const mark = "\nAnswer: "
	i := bytes.LastIndex(text, []byte(mark))
	if i < 0 {
		return nil
	}
	line, _, _ := bytes.Cut(text[i+len(mark):], []byte{'\n'})
	if line = bytes.TrimSpace(line); len(line) == 0 {
		return nil
	}
	return line
}

func lookAt(text []byte) (question, bool) {
	if q, ok := lookForRange(text); ok {
		return q, true
	}
	c := lookForChoices(text)
	return question{choices: c}, c != nil
}

// lookForRange finds "from 0 to 100" and "between 1 and 7"; something in brackets may follow the first number.
func lookForRange(text []byte) (question, bool) {
	for _, form := range [...]struct{ before, between string }{{"from", "to"}, {"between", "and"}} {
		rest := text
		for {
			i := bytes.Index(rest, []byte(form.before))
			if i < 0 {
				break
			}
			rest = rest[i+len(form.before):]
			first := trimSpace(rest)
			low, lowDecimals, n := leadingNumber(first)
			if n == 0 {
				continue
			}
			after := trimSpace(first[n:])
			if len(after) > 0 && after[0] == '(' {
				if end := bytes.IndexByte(after, ')'); end > 0 {
					after = trimSpace(after[end+1:])
				}
			}
			if !bytes.HasPrefix(after, []byte(form.between)) {
				continue
			}
			high, highDecimals, n := leadingNumber(trimSpace(after[len(form.between):]))
			if n == 0 || high < low {
				continue
			}
			q := question{low: low, high: high, decimals: max(lowDecimals, highDecimals), ranged: true}
			if q.decimals == 0 && bytes.Contains(text, []byte("real number")) {
				q.decimals = 1
			}
			return q, true
		}
	}
	return question{}, false
}

// trimSpace takes away spaces and line breaks at the start: prompts are often broken into lines.
func trimSpace(b []byte) []byte { return bytes.TrimLeft(b, " \n\r\t") }

// leadingNumber reads a number at the start of a text: its value, its decimals, its length, which is 0 without one.
func leadingNumber(b []byte) (x float64, decimals, n int) {
	if n < len(b) && b[n] == '-' {
		n++
	}
	point := -1
	for n < len(b) && n < 24 {
		switch {
		case b[n]-'0' < 10:
		case b[n] == '.' && point < 0 && n+1 < len(b) && b[n+1]-'0' < 10:
			point = n
		default:
			goto read
		}
		n++
	}
read:
	x, err := strconv.ParseFloat(string(b[:n]), 64)
	if err != nil || math.Abs(x) > 1e15 {
		return 0, 0, 0
	}
	if point >= 0 {
		decimals = n - point - 1
	}
	return x, decimals, n
}

// lookForChoices finds choices listed in lines ("- yes", "1. yes", "b) no") or at the end of a question
// ("…: walk, cycle, or drive?", "one of yes, no").
func lookForChoices(text []byte) [][]byte {
	var lines [][]byte
	for line := range bytes.SplitSeq(text, []byte{'\n'}) {
		if item := listItem(line); item != nil {
			lines = append(lines, item)
		}
	}
	if len(lines) >= 2 {
		return lines
	}
	end := bytes.LastIndexByte(text, '?')
	list := text
	if end >= 0 {
		list = text[:end]
	}
	switch one := bytes.LastIndex(list, []byte("one of")); {
	case one >= 0:
		list = bytes.TrimLeft(list[one+len("one of"):], ": ")
		if stop := bytes.IndexAny(list, ".\n?"); stop >= 0 {
			list = list[:stop]
		}
	case end >= 0:
		colon := bytes.LastIndexByte(list, ':')
		if colon < 0 {
			return nil
		}
		list = list[colon+1:]
	default:
		return nil
	}
	var items [][]byte
	for piece := range bytes.SplitSeq(list, []byte{','}) {
		for item := range bytes.SplitSeq(piece, []byte(" or ")) {
			item = bytes.TrimPrefix(bytes.TrimSpace(item), []byte("or "))
			if item = bytes.Trim(item, " \"'"); len(item) > 0 && len(item) <= 80 {
				items = append(items, item)
			}
		}
	}
	if len(items) < 2 {
		return nil
	}
	return items
}

func listItem(line []byte) []byte {
	line = bytes.TrimSpace(line)
	switch {
	case len(line) > 2 && (line[0] == '-' || line[0] == '*') && line[1] == ' ':
		return bytes.TrimSpace(line[2:])
	case len(line) > 3 && (line[1] == '.' || line[1] == ')') && line[2] == ' ' &&
		(line[0]-'0' < 10 || line[0]|0x20 >= 'a' && line[0]|0x20 <= 'z'):
		return bytes.TrimSpace(line[3:])
	}
	return nil
}
