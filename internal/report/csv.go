package report

import (
	"io"
	"strconv"
	"strings"
)

// CSV writes rows as RFC 4180 CSV with a header; lines end in LF. It is a RowWriter.
type CSV struct {
	sink  sink
	turn  memo[turnCells]
	asked memo[askedCells]
	model memo[modelCells]
}

// NewCSV returns a writer of rows with these persona columns.
func NewCSV(w io.Writer, personas []Persona) *CSV {
	c := &CSV{sink: newSink(w, personas, func(_, category string) []byte { return appendField([]byte{','}, category) })}
	b := c.sink.buf
	for i, name := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, name...)
	}
	for _, p := range personas {
		b = appendField(append(b, ','), PersonaPrefix+p.Name)
	}
	c.sink.buf = append(b, '\n')
	return c
}

// Write writes rows, see RowWriter.
func (c *CSV) Write(rows []Row) error {
	if c.sink.err != nil {
		return c.sink.err
	}
	for i := range rows {
		r := &rows[i]
		if err := c.sink.check(r); err != nil {
			return err
		}
		c.sink.buf = c.append(c.sink.buf, r)
		if err := c.sink.spill(sinkBytes); err != nil {
			return err
		}
	}
	return nil
}

func (c *CSV) append(b []byte, r *Row) []byte {
	b = c.turn.append(b, uint(r.Round), turnOf(r), appendTurnFields) //nolint:gosec // any number will do
	b = strconv.AppendInt(b, int64(r.Agent), 10)
	asked := askedOf(r)
	b = c.asked.append(b, asked.hash(), asked, appendAskedFields)
	switch r.Value.kind {
	case numberValue:
		b = appendDecimal(b, r.Value.number, r.Value.decimals)
	case textValue:
		b = appendField(b, r.Value.text)
	}
	b = appendField(append(b, ','), r.Raw)
	model := modelOf(r)
	b = c.model.append(b, model.hash(), model, appendModelFields)
	b = append(appendSHA(b, r.PromptSHA), ',')
	b = append(strconv.AppendInt(b, int64(r.Attempts), 10), ',')
	b = append(strconv.AppendInt(b, int64(r.TokensIn), 10), ',')
	b = strconv.AppendInt(b, int64(r.TokensOut), 10)
	if r.SharedWith == 0 && !r.Apportioned && r.Note == "" { // as of nearly all rows
		b = append(b, ",,true,"...)
	} else {
		b = appendOriginFields(b, r)
	}
	return append(c.sink.appendPersonas(b, r), '\n')
}

// Close writes what is buffered, see RowWriter.
func (c *CSV) Close() error { return c.sink.close() }

func appendTurnFields(b []byte, t turnCells) []byte {
	b = append(appendField(b, t.run), ',')
	b = append(appendField(b, t.condition), ',')
	b = append(strconv.AppendInt(b, int64(t.replicate), 10), ',')
	return append(strconv.AppendInt(b, int64(t.round), 10), ',')
}

func appendAskedFields(b []byte, a askedCells) []byte {
	b = appendField(append(b, ','), a.block)
	b = appendField(append(b, ','), a.group)
	b = appendField(append(b, ','), a.question)
	return append(append(append(b, ','), a.status...), ',')
}

func appendModelFields(b []byte, m modelCells) []byte {
	b = appendField(append(b, ','), m.model)
	return append(appendField(append(b, ','), m.served), ',')
}

func appendOriginFields(b []byte, r *Row) []byte {
	b = append(b, ',')
	if r.SharedWith > 0 {
		b = strconv.AppendInt(b, int64(r.SharedWith)-1, 10)
	}
	b = strconv.AppendBool(append(b, ','), !r.Apportioned)
	return appendField(append(b, ','), r.Note)
}

// quoted marks the bytes for which RFC 4180 asks for quotes.
var quoted = [256]bool{',': true, '"': true, '\r': true, '\n': true}

// appendField appends a field, quoted where RFC 4180 asks for it and where readers would trim space.
func appendField(dst []byte, s string) []byte {
	if s == "" || s[0] != ' ' && s[0] != '\t' && !hasQuoted(s) {
		return append(dst, s...)
	}
	dst = append(dst, '"')
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			break
		}
		dst = append(append(dst, s[:i]...), '"', '"')
		s = s[i+1:]
	}
	return append(append(dst, s...), '"')
}

// hasQuoted looks byte by byte: fields are short, and strings.ContainsAny costs more to begin than this to end.
func hasQuoted(s string) bool {
	for i := range len(s) {
		if quoted[s[i]] {
			return true
		}
	}
	return false
}
