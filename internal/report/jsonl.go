package report

import (
	"io"
	"strconv"
	"unicode/utf8"
)

// JSONL writes rows as JSON objects, one a line, with the columns of CSV as keys in the same order. A value is a number,
// a string, or null if there is none. It is not safe for concurrent use.
type JSONL struct {
	sink     sink
	personas [][]byte // `,"persona_name":`
}

// NewJSONL returns a writer of rows whose persona values are those of personas, in order. The caller calls Close, which
// writes what is buffered and does not close w.
func NewJSONL(w io.Writer, personas []string) *JSONL {
	j := &JSONL{sink: newSink(w, len(personas))}
	for _, name := range personas {
		j.personas = append(j.personas, append(appendString([]byte{','}, PersonaPrefix+name), ':'))
	}
	return j
}

// Write writes a row. Errors of the underlying writer stick; ErrPersonas refuses the one row.
func (j *JSONL) Write(r Row) error {
	if err := j.sink.check(len(r.Personas)); err != nil {
		return err
	}
	b := j.sink.buf
	b = appendString(append(b, `{"run":`...), r.Run)
	b = appendString(append(b, `,"condition":`...), r.Condition)
	b = strconv.AppendInt(append(b, `,"replicate":`...), int64(r.Replicate), 10)
	b = strconv.AppendInt(append(b, `,"round":`...), int64(r.Round), 10)
	b = strconv.AppendInt(append(b, `,"agent":`...), int64(r.Agent), 10)
	b = appendString(append(b, `,"block":`...), r.Block)
	b = appendString(append(b, `,"group":`...), r.Group)
	b = appendString(append(b, `,"question":`...), r.Question)
	b = appendString(append(b, `,"status":`...), r.Status.String())
	b = append(b, `,"value":`...)
	switch r.Value.kind {
	case numberValue:
		b = appendDecimal(b, r.Value.number, r.Value.decimals)
	case textValue:
		b = appendString(b, r.Value.text)
	default:
		b = append(b, "null"...)
	}
	b = appendString(append(b, `,"raw":`...), r.Raw)
	b = appendString(append(b, `,"model":`...), r.Model)
	b = appendString(append(b, `,"served_model":`...), r.ServedModel)
	b = append(appendSHA(append(b, `,"prompt_sha":"`...), r.PromptSHA), '"')
	b = strconv.AppendInt(append(b, `,"attempts":`...), int64(r.Attempts), 10)
	b = strconv.AppendInt(append(b, `,"tokens_in":`...), int64(r.TokensIn), 10)
	b = strconv.AppendInt(append(b, `,"tokens_out":`...), int64(r.TokensOut), 10)
	for i, p := range r.Personas {
		b = appendString(append(b, j.personas[i]...), p)
	}
	j.sink.buf = append(b, '}', '\n')
	return j.sink.spill(sinkBytes)
}

// Close writes what is buffered. Later calls of Write and Close return ErrClosed.
func (j *JSONL) Close() error { return j.sink.close() }

const hexDigits = "0123456789abcdef"

// appendString appends a JSON string. Bytes that are not UTF-8 become U+FFFD, as encoding/json has it; so that lines stay
// lines for every reader, U+2028 and U+2029 are escaped too.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' && c < utf8.RuneSelf {
			i++
			continue
		}
		if c < utf8.RuneSelf {
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			dst = append(append(dst, s[start:i]...), "\ufffd"...)
			start = i + size
		case r == '\u2028' || r == '\u2029':
			dst = append(append(dst, s[start:i]...), '\\', 'u', '2', '0', '2', hexDigits[r&15])
			start = i + size
		}
		i += size
	}
	return append(append(dst, s[start:]...), '"')
}
