package report

import (
	"io"
	"strconv"
	"unicode/utf8"
)

// JSONL writes rows as JSON objects, one a line, with the columns of CSV as keys in the same order. A value is a number,
// a string, or null if there is none; so is shared_with, but for strings. It is a RowWriter.
type JSONL struct {
	sink  sink
	turn  memo[turnCells]
	asked memo[askedCells]
	model memo[modelCells]
}

// NewJSONL returns a writer of rows with these persona columns.
func NewJSONL(w io.Writer, personas []Persona) *JSONL {
	return &JSONL{sink: newSink(w, personas, func(name, category string) []byte {
		return appendString(append(appendString([]byte{','}, PersonaPrefix+name), ':'), category)
	})}
}

// Write writes rows, see RowWriter.
func (j *JSONL) Write(rows []Row) error {
	if j.sink.err != nil {
		return j.sink.err
	}
	for i := range rows {
		r := &rows[i]
		if err := j.sink.check(r); err != nil {
			return err
		}
		j.sink.buf = j.append(j.sink.buf, r)
		if err := j.sink.spill(sinkBytes); err != nil {
			return err
		}
	}
	return nil
}

func (j *JSONL) append(b []byte, r *Row) []byte {
	b = j.turn.append(b, uint(r.Round), turnOf(r), appendTurnKeys) //nolint:gosec // any number will do
	b = strconv.AppendInt(b, int64(r.Agent), 10)
	asked := askedOf(r)
	b = j.asked.append(b, asked.hash(), asked, appendAskedKeys)
	switch r.Value.kind {
	case numberValue:
		b = appendDecimal(b, r.Value.number, r.Value.decimals)
	case textValue:
		b = appendString(b, r.Value.text)
	default:
		b = append(b, "null"...)
	}
	b = appendString(append(b, `,"raw":`...), r.Raw)
	model := modelOf(r)
	b = j.model.append(b, model.hash(), model, appendModelKeys)
	b = appendSHA(b, r.PromptSHA)
	b = strconv.AppendInt(append(b, `","attempts":`...), int64(r.Attempts), 10)
	b = strconv.AppendInt(append(b, `,"tokens_in":`...), int64(r.TokensIn), 10)
	b = strconv.AppendInt(append(b, `,"tokens_out":`...), int64(r.TokensOut), 10)
	if r.SharedWith == 0 && !r.Apportioned && r.Note == "" { // as of nearly all rows
		b = append(b, `,"shared_with":null,"tokens_exact":true,"note":""`...)
	} else {
		b = appendOriginKeys(b, r)
	}
	return append(j.sink.appendPersonas(b, r), '}', '\n')
}

// Close writes what is buffered, see RowWriter.
func (j *JSONL) Close() error { return j.sink.close() }

func appendTurnKeys(b []byte, t turnCells) []byte {
	b = appendString(append(b, `{"run":`...), t.run)
	b = appendString(append(b, `,"condition":`...), t.condition)
	b = strconv.AppendInt(append(b, `,"replicate":`...), int64(t.replicate), 10)
	b = strconv.AppendInt(append(b, `,"round":`...), int64(t.round), 10)
	return append(b, `,"agent":`...)
}

func appendAskedKeys(b []byte, a askedCells) []byte {
	b = appendString(append(b, `,"block":`...), a.block)
	b = appendString(append(b, `,"group":`...), a.group)
	b = appendString(append(b, `,"question":`...), a.question)
	b = appendString(append(b, `,"status":`...), a.status)
	return append(b, `,"value":`...)
}

func appendModelKeys(b []byte, m modelCells) []byte {
	b = appendString(append(b, `,"model":`...), m.model)
	b = appendString(append(b, `,"served_model":`...), m.served)
	return append(b, `,"prompt_sha":"`...)
}

func appendOriginKeys(b []byte, r *Row) []byte {
	b = append(b, `,"shared_with":`...)
	if r.SharedWith > 0 {
		b = strconv.AppendInt(b, int64(r.SharedWith)-1, 10)
	} else {
		b = append(b, "null"...)
	}
	b = strconv.AppendBool(append(b, `,"tokens_exact":`...), !r.Apportioned)
	return appendString(append(b, `,"note":`...), r.Note)
}

const hexDigits = "0123456789abcdef"

// plain marks the bytes that a JSON string holds as they are.
var plain = func() (t [256]bool) {
	for c := ' '; c < utf8.RuneSelf; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendString appends a JSON string. Bytes that are not UTF-8 become U+FFFD, as encoding/json has it; so that lines stay
// lines for every reader, U+2028 and U+2029 are escaped too.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if plain[c] {
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
