package report

import (
	"reflect"

	"github.com/parquet-go/parquet-go"

	"github.com/myriad-sim/myriad/internal/stats"
)

const (
	// dictionaryBytes is the size at which a dictionary is given up for plain values: those of text answers hardly repeat.
	dictionaryBytes = 1 << 20
	// internSize bounds the names that a column keeps at hand.
	internSize = 4096
)

// filler puts the values of a column of rows into dst, which has their length.
type filler func(dst []parquet.Value, rows []Row)

// parquetColumn is a column of the file. It implements parquet.Field.
type parquetColumn struct {
	parquet.Node
	name string
	fill filler
}

// Name is the name of the column.
func (c parquetColumn) Name() string { return c.name }

// Value would take the column's value out of a Go value; rows are written by column, so nothing asks for it.
func (c parquetColumn) Value(reflect.Value) reflect.Value { return reflect.Value{} }

// record is the schema of a row. Unlike parquet.Group, whose order is that of the alphabet, it keeps the order of columns.
type record struct {
	parquet.Group
	fields []parquet.Field
}

func newRecord(columns []parquetColumn) record {
	r := record{Group: parquet.Group{}}
	for _, c := range columns {
		r.Group[c.name] = c.Node
		r.fields = append(r.fields, c)
	}
	return r
}

// Fields are the columns, in order.
func (r record) Fields() []parquet.Field { return r.fields }

// parquetColumns are those of CSV, except that the value is in two columns, of which a row has at most one: value for
// numbers and points, so that readers can compute with it, and value_text for choices, texts and JSON.
func parquetColumns(personas []Persona) []parquetColumn {
	name := parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	small := parquet.Encoded(parquet.Int(32), &parquet.RLEDictionary) // a few values that come again and again
	rising := parquet.Encoded(parquet.Int(32), &parquet.DeltaBinaryPacked)
	digits := parquet.Encoded(parquet.String(), &parquet.Plain) // of a hash: nothing to compress
	text := parquet.Compressed(parquet.Encoded(parquet.String(), &parquet.Plain), &parquet.Snappy)
	maybeNumber := parquet.Optional(parquet.Compressed(parquet.Leaf(parquet.DoubleType), &parquet.Snappy))
	maybeText := parquet.Optional(parquet.Compressed(name, &parquet.Snappy))
	maybeName := parquet.Optional(name)
	tokens := parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked)
	list := []parquetColumn{
		{name, "run", nameFiller(func(r *Row) string { return r.Run }, 0)},
		{maybeName, "condition", nameFiller(func(r *Row) string { return r.Condition }, 1)},
		{small, "replicate", int32Filler(func(r *Row) int { return r.Replicate })},
		{small, "round", int32Filler(func(r *Row) int { return r.Round })},
		{rising, "agent", int32Filler(func(r *Row) int { return r.Agent })},
		{name, "block", nameFiller(func(r *Row) string { return r.Block }, 0)},
		{maybeName, "group", nameFiller(func(r *Row) string { return r.Group }, 1)},
		{name, "question", nameFiller(func(r *Row) string { return r.Question }, 0)},
		{name, "status", statusFiller()},
		{maybeNumber, "value", fillNumber},
		{maybeText, "value_text", textFiller(func(r *Row) (string, bool) { return r.Value.text, r.Value.kind == textValue }, 1)},
		{text, "raw", textFiller(func(r *Row) (string, bool) { return r.Raw, true }, 0)},
		{name, "model", nameFiller(func(r *Row) string { return r.Model }, 0)},
		{maybeName, "served_model", nameFiller(func(r *Row) string { return r.ServedModel }, 1)},
		{digits, "prompt_sha", shaFiller()},
		{small, "attempts", int32Filler(func(r *Row) int { return r.Attempts })},
		{tokens, "tokens_in", int64Filler(func(r *Row) int { return r.TokensIn })},
		{tokens, "tokens_out", int64Filler(func(r *Row) int { return r.TokensOut })},
	}
	for i, p := range personas {
		list = append(list, parquetColumn{name, PersonaPrefix + p.Name, personaFiller(i, p)})
	}
	return list
}

// nameFiller fills a column of names, of which there are few. If level is 1, an empty one is null.
func nameFiller(of func(*Row) string, level int) filler {
	known := map[string]parquet.Value{}
	last, value := "", parquet.ByteArrayValue(nil)
	if level == 1 {
		value = parquet.NullValue()
	}
	known[last] = value
	return func(dst []parquet.Value, rows []Row) {
		for i := range rows {
			if s := of(&rows[i]); s != last {
				v, ok := known[s]
				if !ok {
					if len(known) == internSize {
						clear(known)
					}
					v = parquet.ByteArrayValue([]byte(s)).Level(0, level, 0)
					known[s] = v
				}
				last, value = s, v
			}
			dst[i] = value
		}
	}
}

func statusFiller() filler {
	var known [stats.Missing + 1]parquet.Value
	for s := range known {
		known[s] = parquet.ByteArrayValue([]byte(stats.Status(s).String())) //nolint:gosec // a handful
	}
	return func(dst []parquet.Value, rows []Row) {
		for i := range rows {
			dst[i] = known[rows[i].Status]
		}
	}
}

func personaFiller(column int, p Persona) filler {
	var known []parquet.Value
	for _, c := range p.Categories {
		known = append(known, parquet.ByteArrayValue([]byte(c.Name)))
	}
	return func(dst []parquet.Value, rows []Row) {
		for i := range rows {
			dst[i] = known[rows[i].Personas[column]]
		}
	}
}

// textFiller fills a column of texts, null where there is none if level is 1.
func textFiller(of func(*Row) (text string, ok bool), level int) filler {
	var block []byte // of the texts of a batch, one behind the other
	return func(dst []parquet.Value, rows []Row) {
		block = block[:0]
		for i := range rows {
			if s, ok := of(&rows[i]); ok {
				block = append(block, s...)
			}
		}
		end := 0
		for i := range rows {
			s, ok := of(&rows[i])
			if !ok {
				dst[i] = parquet.NullValue()
				continue
			}
			start := end
			end += len(s)
			dst[i] = parquet.ByteArrayValue(block[start:end]).Level(0, level, 0)
		}
	}
}

func shaFiller() filler {
	const digits = 16
	var block []byte
	return func(dst []parquet.Value, rows []Row) {
		block = block[:0]
		for i := range rows {
			block = appendSHA(block, rows[i].PromptSHA)
		}
		for i := range rows {
			dst[i] = parquet.ByteArrayValue(block[digits*i : digits*(i+1)])
		}
	}
}

func fillNumber(dst []parquet.Value, rows []Row) {
	for i := range rows {
		if v := &rows[i].Value; v.kind == numberValue {
			dst[i] = parquet.DoubleValue(v.float()).Level(0, 1, 0)
		} else {
			dst[i] = parquet.NullValue()
		}
	}
}

func int32Filler(of func(*Row) int) filler {
	return func(dst []parquet.Value, rows []Row) {
		for i := range rows {
			dst[i] = parquet.Int32Value(int32(of(&rows[i]))) //nolint:gosec // agents, rounds and attempts are far fewer
		}
	}
}

func int64Filler(of func(*Row) int) filler {
	return func(dst []parquet.Value, rows []Row) {
		for i := range rows {
			dst[i] = parquet.Int64Value(int64(of(&rows[i])))
		}
	}
}
