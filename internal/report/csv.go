package report

import (
	"io"
	"strconv"
	"strings"
)

// CSV writes rows as RFC 4180 CSV with a header; lines end in LF. It is not safe for concurrent use.
type CSV struct{ sink sink }

// NewCSV returns a writer of rows whose persona values are those of personas, in order. The caller calls Close, which
// writes what is buffered and does not close w.
func NewCSV(w io.Writer, personas []string) *CSV {
	c := &CSV{sink: newSink(w, len(personas))}
	b := c.sink.buf
	for i, name := range columns {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, name...)
	}
	for _, name := range personas {
		b = appendField(append(b, ','), PersonaPrefix+name)
	}
	c.sink.buf = append(b, '\n')
	return c
}

// Write writes a row. Errors of the underlying writer stick; ErrPersonas refuses the one row.
func (c *CSV) Write(r Row) error {
	if err := c.sink.check(len(r.Personas)); err != nil {
		return err
	}
	b := c.sink.buf
	b = append(appendField(b, r.Run), ',')
	b = append(appendField(b, r.Condition), ',')
	b = append(strconv.AppendInt(b, int64(r.Replicate), 10), ',')
	b = append(strconv.AppendInt(b, int64(r.Round), 10), ',')
	b = append(strconv.AppendInt(b, int64(r.Agent), 10), ',')
	b = append(appendField(b, r.Block), ',')
	b = append(appendField(b, r.Group), ',')
	b = append(appendField(b, r.Question), ',')
	b = append(append(b, r.Status.String()...), ',')
	switch r.Value.kind {
	case numberValue:
		b = appendDecimal(b, r.Value.number, r.Value.decimals)
	case textValue:
		b = appendField(b, r.Value.text)
	}
	b = append(appendField(append(b, ','), r.Raw), ',')
	b = append(appendField(b, r.Model), ',')
	b = append(appendField(b, r.ServedModel), ',')
	b = append(appendSHA(b, r.PromptSHA), ',')
	b = append(strconv.AppendInt(b, int64(r.Attempts), 10), ',')
	b = append(strconv.AppendInt(b, int64(r.TokensIn), 10), ',')
	b = strconv.AppendInt(b, int64(r.TokensOut), 10)
	for _, p := range r.Personas {
		b = appendField(append(b, ','), p)
	}
	c.sink.buf = append(b, '\n')
	return c.sink.spill(sinkBytes)
}

// Close writes what is buffered. Later calls of Write and Close return ErrClosed.
func (c *CSV) Close() error { return c.sink.close() }

// appendField appends a field, quoted where RFC 4180 asks for it and where readers would trim space.
func appendField(dst []byte, s string) []byte {
	if s == "" || !strings.ContainsAny(s, ",\"\r\n") && s[0] != ' ' && s[0] != '\t' {
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
