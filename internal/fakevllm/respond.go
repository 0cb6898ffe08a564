package fakevllm

import (
	"strconv"
	"time"
	"unicode/utf8"
)

// respond writes the response to the job's out, with what a fault makes of its choices.
func (j *job) respond() {
	b := append(j.out[:0], `{"id":"`...)
	b = j.appendID(b, "chatcmpl-")
	b = append(b, `","object":"chat.completion","created":`...)
	b = strconv.AppendInt(b, time.Now().Unix(), 10)
	b = append(b, `,"model":`...)
	b = appendString(b, []byte(j.s.opts.Model))
	b = append(b, `,"choices":[`...)
	output := 0
	for i := range j.answers {
		output += j.answers[i].tokens
	}
	last := len(j.answers) - 1
	switch j.fault {
	case NoChoices:
	case WrongCount:
		if last == 0 {
			b = j.appendChoice(j.appendChoice(b, 0, 0), 0, 1)
		}
		for i := range last {
			b = j.appendChoice(b, i, i)
		}
	case Duplicate:
		for i := range max(1, last) {
			b = j.appendChoice(b, i, i)
		}
		b = j.appendChoice(b, last, max(0, last-1))
	case WrongOrder:
		for i := last; i >= 0; i-- {
			b = j.appendChoice(b, i, max(i, 1-last))
		}
	default:
		for i := range j.answers {
			b = j.appendChoice(b, i, i)
		}
	}
	b = append(b, `],"service_tier":null,"system_fingerprint":"`...)
	b = append(b, j.s.fingerprint...)
	b = append(b, `","usage":`...)
	b = appendUsage(b, j.promptTokens(), output)
	j.out = append(b, `,"prompt_logprobs":null,"prompt_token_ids":null,"kv_transfer_params":null}`...)
}

// promptTokens are those of all conversations; choices of one conversation share its prompt.
func (j *job) promptTokens() int {
	sum := 0
	for i := 0; i < len(j.seqs); i += j.req.n {
		sum += j.seqs[i].prompt
	}
	return sum
}

// appendChoice writes the i-th answer as the choice of an index, after a comma unless it comes first.
func (j *job) appendChoice(b []byte, i, index int) []byte {
	a := &j.answers[i]
	if b[len(b)-1] == '}' {
		b = append(b, ',')
	}
	b = append(b, `{"index":`...)
	b = strconv.AppendInt(b, int64(index), 10)
	b = append(b, `,"message":{"role":"assistant","content":`...)
	b = appendString(b, j.text[a.from:a.to])
	b = append(b, `,"refusal":null,"annotations":null,"audio":null,"function_call":null,"reasoning":null},"logprobs":null,`...)
	b = a.appendFinish(b)
	return append(b, `,"token_ids":null}`...)
}

func (a *answer) appendFinish(b []byte) []byte {
	if a.cut {
		return append(b, `"finish_reason":"length","stop_reason":null`...)
	}
	b = append(b, `"finish_reason":"stop","stop_reason":`...)
	if a.stop == "" {
		return append(b, "null"...)
	}
	return appendString(b, []byte(a.stop))
}

func appendUsage(b []byte, prompt, output int) []byte {
	b = append(b, `{"prompt_tokens":`...)
	b = strconv.AppendInt(b, int64(prompt), 10)
	b = append(b, `,"total_tokens":`...)
	b = strconv.AppendInt(b, int64(prompt+output), 10)
	b = append(b, `,"completion_tokens":`...)
	b = strconv.AppendInt(b, int64(output), 10)
	return append(b, `,"prompt_tokens_details":null}`...)
}

const hexDigits = "0123456789abcdef"

// appendID writes an id that no other response has.
func (j *job) appendID(b []byte, prefix string) []byte {
	b = append(b, prefix...)
	n := j.s.freshSubject()
	for draw := range uint32(2) {
		word := j.s.fresh.Uint64(n, 0, 1, draw)
		for shift := 60; shift >= 0; shift -= 4 {
			b = append(b, hexDigits[word>>shift&15])
		}
	}
	return b
}

// appendString writes a JSON string. What is not UTF-8 becomes U+FFFD.
func appendString(b, text []byte) []byte {
	b = append(b, '"')
	from := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		size := 1
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(text[i:])
			if r != utf8.RuneError || n > 1 {
				i += n
				continue
			}
		}
		b = append(b, text[from:i]...)
		switch {
		case c == '"' || c == '\\':
			b = append(b, '\\', c)
		case c == '\n':
			b = append(b, '\\', 'n')
		case c < ' ':
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		default:
			b = append(b, "\ufffd"...)
		}
		i += size
		from = i
	}
	b = append(b, text[from:]...)
	return append(b, '"')
}
