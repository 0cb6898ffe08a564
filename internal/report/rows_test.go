package report_test

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/stats"
)

func row(value report.Value, raw string, personas ...uint16) report.Row {
	return report.Row{
		Run: "r1", Replicate: 1, Round: 2, Agent: 17, Block: "players", Question: "guess", Status: stats.Answered, Value: value, Raw: raw,
		Model: "player", ServedModel: "Qwen/Qwen2-7B", PromptSHA: 0x00ff, Attempts: 1, TokensIn: 120, TokensOut: 8, Personas: personas,
	}
}

var hostile = []report.Row{
	row(report.Number(33_500_000, 6), "I say 33.5"),
	row(report.Number(-5, 2), "=HYPERLINK(\"http://x\")\r\n-0.05, \"really\""),
	row(report.Text("stag, of course"), "{\"a\":\n\t1}\x00\x1b[2J\u2028"),
	row(report.Value{}, " spaced "),
	missing(),
}

// missing is a row of which nothing is as in most.
func missing() report.Row {
	r := row(report.Value{}, "")
	r.Status, r.SharedWith, r.Apportioned, r.Note = stats.Missing, 4, true, "the response was filtered,\n\"self_harm\""
	return r
}

func write(t require.TestingT, w report.RowWriter, rows ...report.Row) {
	require.NoError(t, w.Write(rows))
	require.NoError(t, w.Close())
}

// persona is a persona column of these categories.
func persona(name string, categories ...string) report.Persona {
	p := report.Persona{Name: name}
	for _, c := range categories {
		p.Categories = append(p.Categories, report.Category{Name: c})
	}
	return p
}

func TestCSVGolden(t *testing.T) {
	var b bytes.Buffer
	rows := make([]report.Row, len(hostile))
	for i, r := range hostile {
		r.Personas = []uint16{1, 0}
		rows[i] = r
	}
	personas := []report.Persona{persona("education", "none", "Ph.D."), persona("name", "Ada, \"the first\"")}
	write(t, report.NewCSV(&b, personas), rows...)
	golden(t, "rows.csv", b.Bytes())
	b.Reset()
	write(t, report.NewJSONL(&b, personas), rows...)
	golden(t, "rows.jsonl", b.Bytes())
}

func TestRowsReadBack(t *testing.T) {
	text := rapid.StringOf(rapid.OneOf(rapid.Rune(), rapid.SampledFrom([]rune("\",\n\r\t =\\\x00\u2028<é"))))
	rapid.Check(t, func(t *rapid.T) {
		decimals := rapid.IntRange(0, stats.MaxDecimals).Draw(t, "decimals")
		number := rapid.OneOf(rapid.Int64(), rapid.Int64Range(-1000, 1000)).Draw(t, "number")
		in := row(report.Number(number, decimals), text.Draw(t, "raw"), 1)
		in.Block = text.Draw(t, "block")
		in.Note = text.Draw(t, "note")
		in.SharedWith, in.Apportioned = rapid.IntRange(0, 3).Draw(t, "shared"), rapid.Bool().Draw(t, "apportioned")
		category := text.Draw(t, "persona")
		personas := []report.Persona{persona("p", "other", category)}

		var c, j bytes.Buffer
		write(t, report.NewCSV(&c, personas), in)
		write(t, report.NewJSONL(&j, personas), in)

		records, err := csv.NewReader(&c).ReadAll()
		require.NoError(t, err)
		require.Len(t, records, 2)
		got := map[string]string{}
		for i, name := range records[0] {
			got[name] = records[1][i]
		}
		lines := strings.NewReplacer("\r\n", "\n") // the reader folds line ends inside quotes
		require.Equal(t, lines.Replace(in.Raw), got["raw"])
		require.Equal(t, lines.Replace(in.Block), got["block"])
		require.Equal(t, lines.Replace(category), got["persona_p"])
		require.Equal(t, lines.Replace(in.Note), got["note"])
		require.Equal(t, []string{"", "0", "1", "2"}[in.SharedWith], got["shared_with"])
		require.Equal(t, strconv.FormatBool(!in.Apportioned), got["tokens_exact"])
		requireDecimal(t, number, decimals, got["value"])
		require.Equal(t, "00000000000000ff", got["prompt_sha"])

		require.Equal(t, 1, bytes.Count(j.Bytes(), []byte("\n")), "a row is one line")
		var object map[string]any
		d := json.NewDecoder(&j)
		d.UseNumber()
		require.NoError(t, d.Decode(&object))
		require.Len(t, object, len(records[0]))
		require.Equal(t, in.Raw, object["raw"])
		require.Equal(t, category, object["persona_p"])
		require.Equal(t, in.Note, object["note"])
		require.Equal(t, []any{nil, json.Number("0"), json.Number("1"), json.Number("2")}[in.SharedWith], object["shared_with"])
		require.Equal(t, !in.Apportioned, object["tokens_exact"])
		require.Equal(t, json.Number(got["value"]), object["value"])
	})
}

func requireDecimal(t require.TestingT, number int64, decimals int, text string) {
	want := new(big.Rat).SetFrac(big.NewInt(number), new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(decimals)), nil))
	require.Equal(t, want.FloatString(decimals), text)
}

func TestJSONLKeepsColumnOrderAndValidUTF8(t *testing.T) {
	var c, j bytes.Buffer
	in := row(report.Text("caf\xe9"), "\xff\xfe ok")
	write(t, report.NewCSV(&c, nil), in)
	write(t, report.NewJSONL(&j, nil), in)
	require.True(t, utf8.Valid(j.Bytes()))
	at := -1
	for name := range strings.SplitSeq(strings.TrimSuffix(strings.SplitAfter(c.String(), "\n")[0], "\n"), ",") {
		next := strings.Index(j.String(), strconv.Quote(name)+":")
		require.Greater(t, next, at, name)
		at = next
	}
	require.Contains(t, j.String(), `"raw":"`+"\ufffd\ufffd ok\"")
}

type broken struct{ after int }

var errDisk = errors.New("disk full")

func (b *broken) Write(p []byte) (int, error) {
	if b.after -= len(p); b.after < 0 {
		return 0, errDisk
	}
	return len(p), nil
}

func TestRowWriterErrors(t *testing.T) {
	personas := []report.Persona{persona("a", "one", "two")}
	for _, f := range report.Formats() {
		open := func(w io.Writer) report.RowWriter {
			out, err := report.NewRowWriter(f, w, guess(10, 1).Summary, personas)
			require.NoError(t, err)
			return out
		}
		t.Run(string(f), func(t *testing.T) {
			var b bytes.Buffer
			w := open(&b)
			require.ErrorIs(t, w.Write([]report.Row{row(report.Value{}, "x")}), report.ErrPersonas)
			require.ErrorIs(t, w.Write([]report.Row{row(report.Value{}, "before", 0), row(report.Value{}, "x", 2)}), report.ErrPersonas)
			require.NoError(t, w.Write([]report.Row{row(report.Value{}, "kept", 1)}), "a refused row does not break the writer")
			require.NoError(t, w.Close())
			require.ErrorIs(t, w.Write([]report.Row{row(report.Value{}, "x", 1)}), report.ErrClosed)
			require.ErrorIs(t, w.Close(), report.ErrClosed)
			require.Contains(t, b.String(), "before")
			require.Contains(t, b.String(), "kept")

			w = open(&broken{after: 10})
			var err error
			for range 500 {
				if err = w.Write(slices.Repeat([]report.Row{row(report.Value{}, "x", 0)}, 1000)); err != nil {
					break
				}
			}
			require.ErrorIs(t, err, errDisk)
			require.ErrorIs(t, w.Write([]report.Row{row(report.Value{}, "x", 0)}), errDisk, "the first error sticks")
			require.ErrorIs(t, w.Close(), errDisk)
		})
	}
	_, err := report.NewRowWriter("xlsx", io.Discard, report.Summary{}, nil)
	require.ErrorIs(t, err, report.ErrFormat)
	require.ErrorContains(t, err, `"xlsx": use csv, jsonl, parquet`)
}

func TestTextWritersDoNotAllocate(t *testing.T) {
	personas := []report.Persona{persona("p", "x")}
	odd := missing()
	odd.Personas = []uint16{0}
	rows := slices.Repeat([]report.Row{row(report.Number(1, 6), fmt.Sprintf("%q", "text"), 0), odd}, 10)
	for _, w := range []report.RowWriter{report.NewCSV(io.Discard, personas), report.NewJSONL(io.Discard, personas)} {
		require.Zero(t, testing.AllocsPerRun(5000, func() {
			if err := w.Write(rows); err != nil {
				t.Error(err)
			}
		}))
	}
}
