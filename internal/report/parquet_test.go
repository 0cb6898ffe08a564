package report_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/stats"
)

// parquetRows reads a file back: its columns, and of each row the values that are not null, by column, as text.
func parquetRows(t require.TestingT, data []byte) (columns []string, rows []map[string]string) {
	f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
	require.NoError(t, err)
	for _, path := range f.Schema().Columns() {
		columns = append(columns, strings.Join(path, "."))
	}
	for _, g := range f.RowGroups() {
		in := g.Rows()
		for buf := make([]parquet.Row, 100); ; {
			n, err := in.ReadRows(buf)
			for _, r := range buf[:n] {
				row := map[string]string{}
				for _, v := range r {
					switch {
					case v.IsNull():
					case v.Kind() == parquet.Double:
						row[columns[v.Column()]] = strconv.FormatFloat(v.Double(), 'g', -1, 64)
					default:
						row[columns[v.Column()]] = v.String()
					}
				}
				rows = append(rows, row)
			}
			if errors.Is(err, io.EOF) {
				break
			}
			require.NoError(t, err)
		}
		require.NoError(t, in.Close())
	}
	return columns, rows
}

// asCSV is what a row of a Parquet file would be in CSV: the two columns of the value in one, and nothing for null.
func asCSV(columns []string, row map[string]string) map[string]string {
	out := map[string]string{}
	for _, c := range columns {
		if c != "value_text" {
			out[c] = row[c]
		}
	}
	if text, ok := row["value_text"]; ok {
		out["value"] = text
	}
	return out
}

func TestParquetHoldsWhatCSVHolds(t *testing.T) {
	text := rapid.Map(rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\",\n\t =\\\x00é")))), func(s string) string {
		return strings.ReplaceAll(s, "\r", "") // which the reader of CSV would fold
	})
	word := rapid.SampledFrom([]string{"", "a", "b", "ä, \"ö\""})
	rapid.Check(t, func(t *rapid.T) {
		personas := []report.Persona{persona("one", text.Draw(t, "category"), "other"), persona("two", "x")}
		in := rapid.SliceOfN(rapid.Custom(func(t *rapid.T) report.Row {
			value := report.Value{}
			switch rapid.IntRange(0, 2).Draw(t, "kind") {
			case 1:
				value = report.Number(rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000)).Draw(t, "number"), rapid.IntRange(0, stats.MaxDecimals).Draw(t, "decimals"))
			case 2:
				value = report.Text(rapid.OneOf(word, text).Draw(t, "text"))
			}
			return report.Row{
				Run: word.Draw(t, "run"), Condition: word.Draw(t, "condition"), Replicate: 1, Round: rapid.IntRange(1, 1000).Draw(t, "round"),
				Agent: rapid.IntRange(0, 100_000_000).Draw(t, "agent"), Block: word.Draw(t, "block"), Group: word.Draw(t, "group"),
				Question: word.Draw(t, "question"), Status: stats.Status(rapid.IntRange(1, int(stats.Missing)).Draw(t, "status")), //nolint:gosec // few
				Value: value, Raw: text.Draw(t, "raw"), Model: word.Draw(t, "model"), ServedModel: word.Draw(t, "served"),
				PromptSHA: rapid.Uint64().Draw(t, "sha"), Attempts: rapid.IntRange(0, 255).Draw(t, "attempts"),
				TokensIn: rapid.IntRange(0, 1<<32-1).Draw(t, "in"), TokensOut: rapid.IntRange(0, 1<<32-1).Draw(t, "out"),
				SharedWith: rapid.OneOf(rapid.Just(0), rapid.IntRange(0, 1<<31-1)).Draw(t, "shared"), Apportioned: rapid.Bool().Draw(t, "apportioned"),
				Note:     rapid.OneOf(rapid.Just(""), word, text).Draw(t, "note"),
				Personas: []uint16{rapid.Uint16Range(0, 1).Draw(t, "persona"), 0},
			}
		}), 0, 40).Draw(t, "rows")

		var c, p bytes.Buffer
		write(t, report.NewCSV(&c, personas), in...)
		w, err := report.NewParquet(&p, guess(10, 1).Summary, personas)
		require.NoError(t, err)
		write(t, w, in...)

		records, err := csv.NewReader(&c).ReadAll()
		require.NoError(t, err)
		columns, rows := parquetRows(t, p.Bytes())
		require.Equal(t, records[0], slices.DeleteFunc(slices.Clone(columns), func(c string) bool { return c == "value_text" }), "the order of columns")
		require.Len(t, rows, len(in))
		for i, row := range rows {
			want := map[string]string{}
			for at, name := range records[0] {
				want[name] = records[i+1][at]
			}
			if number, ok := row["value"]; ok { // the same number, however it is written
				f, err := strconv.ParseFloat(want["value"], 64)
				require.NoError(t, err)
				require.Equal(t, strconv.FormatFloat(f, 'g', -1, 64), number)
				want["value"] = number
			}
			require.Equal(t, want, asCSV(columns, row))
			for name := range row {
				if name == "condition" || name == "group" || name == "served_model" || name == "note" {
					require.NotEmpty(t, row[name], "nothing is null, not an empty text")
				}
			}
		}
	})
}

func TestParquetSaysWhereItIsFrom(t *testing.T) {
	var b bytes.Buffer
	s := guess(10, 1).Summary
	w, err := report.NewParquet(&b, s, nil)
	require.NoError(t, err)
	write(t, w, row(report.Number(1, 0), "x"))
	f, err := parquet.OpenFile(bytes.NewReader(b.Bytes()), int64(b.Len()))
	require.NoError(t, err)
	for key, want := range map[string]string{"run": s.Run, "scenario": s.Scenario, "seed": "7", "result_hash": s.ResultHash} {
		got, ok := f.Lookup("myriad." + key)
		require.True(t, ok, key)
		require.Equal(t, want, got)
	}
	version, _ := f.Lookup("myriad.version")
	require.NotEmpty(t, version)
	require.Contains(t, f.Metadata().CreatedBy, "myriad")
}

// Row groups are bounded by rows, and by bytes where replies are long. So is what the writer holds.
func TestParquetRowGroups(t *testing.T) {
	groups := func(data []byte) (out []int64) {
		f, err := parquet.OpenFile(bytes.NewReader(data), int64(len(data)))
		require.NoError(t, err)
		for _, g := range f.RowGroups() {
			out = append(out, g.NumRows())
		}
		return out
	}
	var b bytes.Buffer
	rows, personas := played()
	w, err := report.NewParquet(&b, guess(10, 1).Summary, personas)
	require.NoError(t, err)
	for range 300 {
		require.NoError(t, w.Write(rows))
	}
	require.NoError(t, w.Close())
	require.Equal(t, []int64{128 << 10, 128 << 10, 300*1024 - 256<<10}, groups(b.Bytes()))
	b.Reset()

	w, err = report.NewParquet(&b, guess(10, 1).Summary, []report.Persona{persona("p", "one")})
	require.NoError(t, err)
	long := slices.Repeat([]report.Row{row(report.Value{}, strings.Repeat("because ", 8<<10), 0)}, 1300) // 64 KiB each
	require.NoError(t, w.Write(long))
	require.NoError(t, w.Close())
	require.Equal(t, []int64{512, 512, 276}, groups(b.Bytes()))
}

func TestParquetMemoryIsBounded(t *testing.T) {
	rows, personas := played()
	w, err := report.NewParquet(io.Discard, guess(10, 1).Summary, personas)
	require.NoError(t, err)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	var held []uint64
	for n := range 4 * 150 { // more than a row group between two looks
		for i := range rows {
			rows[i].Agent, rows[i].Raw, rows[i].PromptSHA = n*len(rows)+i, fmt.Sprint(n*len(rows)+i), uint64(n*len(rows)+i)*0x9e3779b97f4a7c15 //nolint:gosec // positive
		}
		require.NoError(t, w.Write(rows))
		if n%150 == 149 {
			held = append(held, heap())
		}
	}
	require.NoError(t, w.Close())
	require.Less(t, held[len(held)-1], held[0]+8<<20, held)
}
