package report

import (
	"unicode/utf8"

	"github.com/parquet-go/parquet-go"

	"github.com/myriad-sim/myriad/internal/stats"
)

// filler gives the values of a column of at most stripe rows. They are valid until the next call.
type filler func(rows []Row) []parquet.Value

// repeated fills a column in which most cells are those of the row before. It makes a value only where the cell changes,
// and writes none at all over what an earlier call has left where that is the same.
func repeated[T comparable](of func(*Row) T, value func(T) parquet.Value) filler {
	var (
		values [stripe]parquet.Value
		last   T
		made   parquet.Value // of last
		same   int           // so many values, from the first on, are made
		begun  bool
	)
	return func(rows []Row) []parquet.Value {
		i, changed := 0, -1
		for i < min(same, len(rows)) && of(&rows[i]) == last {
			i++
		}
		for ; i < len(rows); i++ {
			if cell := of(&rows[i]); cell != last || !begun {
				last, made, changed, begun = cell, value(cell), i, true
			}
			values[i] = made
		}
		switch changed {
		case -1:
			same = max(same, len(rows))
		case 0:
			same = len(rows)
		default:
			same = 0
		}
		return values[:len(rows)]
	}
}

// internSize bounds the names that a column keeps at hand.
const internSize = 4096

// names fills a column of names, of which there are few. If level is 1, an empty one is null.
func names(of func(*Row) string, level int) filler {
	known := map[string]parquet.Value{}
	return repeated(of, func(s string) parquet.Value {
		if s == "" && level == 1 {
			return parquet.NullValue()
		}
		v, ok := known[s]
		if !ok {
			if len(known) == internSize {
				clear(known)
			}
			v = parquet.ByteArrayValue(appendUTF8(nil, s)).Level(0, level, 0)
			known[s] = v
		}
		return v
	})
}

// texts fills a column of texts. If level is 1, one that is not ok is null.
func texts(of func(*Row) (text string, ok bool), level int) filler {
	var (
		values [stripe]parquet.Value
		ends   [stripe]int
		block  []byte // the texts, one behind the other
	)
	return func(rows []Row) []parquet.Value {
		block = block[:0]
		for i := range rows {
			if s, ok := of(&rows[i]); ok {
				block = appendUTF8(block, s)
				ends[i] = len(block)
			} else {
				ends[i] = -1
			}
		}
		start := 0
		for i := range rows {
			if ends[i] < 0 {
				values[i] = parquet.NullValue()
				continue
			}
			values[i] = parquet.ByteArrayValue(block[start:ends[i]])
			if level > 0 {
				values[i] = values[i].Level(0, level, 0)
			}
			start = ends[i]
		}
		return values[:len(rows)]
	}
}

// appendUTF8 appends s, with U+FFFD for every byte that is not UTF-8, as JSONL has it: readers refuse a file with others.
func appendUTF8(dst []byte, s string) []byte {
	if utf8.ValidString(s) {
		return append(dst, s...)
	}
	for _, r := range s {
		dst = utf8.AppendRune(dst, r)
	}
	return dst
}

func hashes() filler {
	const digits = 16
	var values [stripe]parquet.Value
	block := make([]byte, 0, digits*stripe)
	return func(rows []Row) []parquet.Value {
		block = block[:0]
		for i := range rows {
			block = appendSHA(block, rows[i].PromptSHA)
			values[i] = parquet.ByteArrayValue(block[digits*i:])
		}
		return values[:len(rows)]
	}
}

func numbers() filler {
	var values [stripe]parquet.Value
	return func(rows []Row) []parquet.Value {
		for i := range rows {
			if v := &rows[i].Value; v.kind == numberValue {
				values[i] = parquet.DoubleValue(v.float()).Level(0, 1, 0)
			} else {
				values[i] = parquet.NullValue()
			}
		}
		return values[:len(rows)]
	}
}

func agents() filler {
	var values [stripe]parquet.Value
	return func(rows []Row) []parquet.Value {
		for i := range rows {
			values[i] = int32Value(rows[i].Agent)
		}
		return values[:len(rows)]
	}
}

func int32Value(n int) parquet.Value { return parquet.Int32Value(int32(n)) } //nolint:gosec // agents, rounds and attempts are far fewer

// agentBefore is the value of an optional agent: n-1, none for 0.
func agentBefore(n int) parquet.Value {
	if n == 0 {
		return parquet.NullValue()
	}
	return int32Value(n-1).Level(0, 1, 0)
}

func int64Value(n int) parquet.Value { return parquet.Int64Value(int64(n)) }

func statusValue() func(stats.Status) parquet.Value {
	var known [stats.Missing + 1]parquet.Value
	for s := range known {
		known[s] = parquet.ByteArrayValue([]byte(stats.Status(s).String())) //nolint:gosec // a handful
	}
	return func(s stats.Status) parquet.Value { return known[s] }
}

func categoryValue(p Persona) func(uint16) parquet.Value {
	var known []parquet.Value
	for _, c := range p.Categories {
		known = append(known, parquet.ByteArrayValue(appendUTF8(nil, c.Name)))
	}
	return func(category uint16) parquet.Value { return known[category] }
}
