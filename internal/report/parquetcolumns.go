package report

import (
	"reflect"

	"github.com/parquet-go/parquet-go"

	"github.com/myriad-sim/myriad/internal/stats"
)

// dictionaryBytes is the size at which a dictionary is given up for plain values: those of text answers hardly repeat.
const dictionaryBytes = 1 << 20

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
// numbers and points, so that readers can compute with it, and value_text for all others.
func parquetColumns(personas []Persona) []parquetColumn {
	name := parquet.Encoded(parquet.String(), &parquet.RLEDictionary)
	small := parquet.Encoded(parquet.Int(32), &parquet.RLEDictionary) // a few values that come again and again
	rising := parquet.Encoded(parquet.Int(32), &parquet.DeltaBinaryPacked)
	digits := parquet.Encoded(parquet.String(), &parquet.Plain) // of a hash: nothing to compress
	text := parquet.Compressed(parquet.Encoded(parquet.String(), &parquet.Plain), &parquet.Snappy)
	maybeNumber := parquet.Optional(parquet.Compressed(parquet.Leaf(parquet.DoubleType), &parquet.Snappy))
	maybeText := parquet.Optional(parquet.Compressed(name, &parquet.Snappy))
	maybeName := parquet.Optional(name)
	maybeRising := parquet.Optional(rising)
	flag := parquet.Leaf(parquet.BooleanType)
	tokens := parquet.Encoded(parquet.Int(64), &parquet.DeltaBinaryPacked)
	list := []parquetColumn{
		{name, "run", names(func(r *Row) string { return r.Run }, 0)},
		{maybeName, "condition", names(func(r *Row) string { return r.Condition }, 1)},
		{small, "replicate", repeated(func(r *Row) int { return r.Replicate }, int32Value)},
		{small, "round", repeated(func(r *Row) int { return r.Round }, int32Value)},
		{rising, "agent", agents()},
		{name, "block", names(func(r *Row) string { return r.Block }, 0)},
		{maybeName, "group", names(func(r *Row) string { return r.Group }, 1)},
		{name, "question", names(func(r *Row) string { return r.Question }, 0)},
		{name, "status", repeated(func(r *Row) stats.Status { return r.Status }, statusValue())},
		{maybeNumber, "value", numbers()},
		{maybeText, "value_text", texts(func(r *Row) (string, bool) { return r.Value.text, r.Value.kind == textValue }, 1)},
		{text, "raw", texts(func(r *Row) (string, bool) { return r.Raw, true }, 0)},
		{name, "model", names(func(r *Row) string { return r.Model }, 0)},
		{maybeName, "served_model", names(func(r *Row) string { return r.ServedModel }, 1)},
		{digits, "prompt_sha", hashes()},
		{small, "attempts", repeated(func(r *Row) int { return r.Attempts }, int32Value)},
		{tokens, "tokens_in", repeated(func(r *Row) int { return r.TokensIn }, int64Value)},
		{tokens, "tokens_out", repeated(func(r *Row) int { return r.TokensOut }, int64Value)},
		{maybeRising, "shared_with", repeated(func(r *Row) int { return r.SharedWith }, agentBefore)},
		{flag, "tokens_exact", repeated(func(r *Row) bool { return !r.Apportioned }, parquet.BooleanValue)},
		{maybeName, "note", names(func(r *Row) string { return r.Note }, 1)},
	}
	for i, p := range personas {
		category := repeated(func(r *Row) uint16 { return r.Personas[i] }, categoryValue(p))
		list = append(list, parquetColumn{name, PersonaPrefix + p.Name, category})
	}
	return list
}
