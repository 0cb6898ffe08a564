package usage

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const golden = `{"v":1,"cap":{"seq":4,"tokens":1000,"micros":500},` +
	`"models":{"m":{"cap":{"seq":4,"tokens":800},"use":{"calls":2,"retries":1,"tokens_in":40,"tokens_out":9,"unreported":3,"micros":7}}},` +
	`"writers":{"w1":{"n":3,"slices":{"m":{"tokens":100,"micros":50}}},"w2":{"n":1}},` +
	`"alerts":[{"percent":50,"seq":4,"at":"2026-11-21T15:03:40Z"}]}`

func TestAnEntryReadsAsItIsWritten(t *testing.T) {
	e, err := decodeEntry([]byte(golden))
	require.NoError(t, err)
	data, err := e.encode()
	require.NoError(t, err)
	require.JSONEq(t, golden, string(data))
	require.Equal(t, Account{
		Caps:   Caps{Run: Cap{Seq: 4, Tokens: 1000, Micros: 500}, Models: map[string]Cap{"m": {Seq: 4, Tokens: 800}}},
		Models: map[string]Use{"m": {Calls: 2, Retries: 1, TokensIn: 40, TokensOut: 9, Unreported: 3, Micros: 7}},
		Slices: []Slice{{Writer: "w1", Model: "m", Amount: Amount{Tokens: 100, Micros: 50}}},
		Alerts: []Alert{{Percent: 50, Seq: 4, At: time.Date(2026, 11, 21, 15, 3, 40, 0, time.UTC)}},
	}, e.account())
	require.Equal(t, Amount{Tokens: 848, Micros: 443}, (&Cap{Tokens: 1000, Micros: 500}).room(e.taken("")))
	require.Equal(t, Amount{Tokens: 648, Micros: 443}, e.room("m"))
	require.Equal(t, Amount{Tokens: 848, Micros: 443}, e.room("another"))
}

func TestADamagedEntryIsNeverRead(t *testing.T) {
	for name, text := range map[string]string{
		"empty":           ``,
		"no version":      `{}`,
		"null":            `null`,
		"newer version":   `{"v":2}`,
		"unknown field":   `{"v":1,"notes":"x"}`,
		"cut short":       golden[:len(golden)-3],
		"trailing text":   golden + `{}`,
		"negative":        `{"v":1,"models":{"m":{"use":{"calls":-1}}}}`,
		"fraction":        `{"v":1,"cap":{"seq":1,"tokens":1.5}}`,
		"no models":       `{"v":1,"models":null}`,
		"no writers":      `{"v":1,"writers":null}`,
		"overflow":        `{"v":1,"writers":{"a":{"n":1,"slices":{"m":{"tokens":18446744073709551615}}},"b":{"n":1,"slices":{"m":{"tokens":9}}}}}`,
		"alerts unsorted": `{"v":1,"alerts":[{"percent":80,"seq":1,"at":"2026-11-21T15:03:40Z"},{"percent":50,"seq":1,"at":"2026-11-21T15:03:40Z"}]}`,
		"alert of 0":      `{"v":1,"alerts":[{"percent":0,"seq":1,"at":"2026-11-21T15:03:40Z"}]}`,
	} {
		t.Run(name, func(t *testing.T) {
			_, err := decodeEntry([]byte(text))
			require.ErrorIs(t, err, ErrDamaged)
		})
	}
}

func FuzzDecodeEntry(f *testing.F) {
	f.Add([]byte(golden))
	f.Add([]byte(`{"v":1}`))
	f.Add([]byte(`{"v":1,"models":{"":{"use":{}}},"writers":{"":{"n":0,"slices":{"":{}}}},"alerts":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := decodeEntry(data)
		if err != nil {
			require.ErrorIs(t, err, ErrDamaged)
			return
		}
		first, err := e.encode()
		require.NoError(t, err)
		again, err := decodeEntry(first)
		require.NoError(t, err)
		second, err := again.encode()
		require.NoError(t, err)
		require.Equal(t, string(first), string(second))
		require.Equal(t, e.taken(""), again.taken(""))
		_ = e.account().Share()
	})
}

func TestAShareIsExactAtItsThresholds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.Uint64Range(1, math.MaxUint64/100).Draw(t, "cap")
		part := rapid.Uint64Range(0, limit).Draw(t, "used")
		percent := rapid.SampledFrom([]int{50, 80, 100}).Draw(t, "percent")
		require.Equal(t, part*100/limit >= uint64(percent), (&Cap{Tokens: limit}).share(tokens(part)).reaches(percent))
	})
	require.True(t, fraction{math.MaxUint64, math.MaxUint64}.reaches(100))
	require.False(t, fraction{math.MaxUint64 - 1, math.MaxUint64}.reaches(100))
}

func TestTheLargestShareCounts(t *testing.T) {
	a := Account{
		Caps:   Caps{Run: Cap{Tokens: 1000, Micros: 10}, Models: map[string]Cap{"b": {Tokens: 100}}},
		Models: map[string]Use{"a": {TokensIn: 100, Micros: 4}, "b": {TokensOut: 30, Unreported: 30}},
	}
	require.InDelta(t, 0.6, a.Share(), 1e-12)
	a.Models["a"] = Use{Micros: 9}
	require.InDelta(t, 0.9, a.Share(), 1e-12)
	require.Zero(t, Account{}.Share())
}

func TestSumsStopAtTheLargestNumber(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.Uint64().Draw(t, "a"), rapid.Uint64().Draw(t, "b")
		require.GreaterOrEqual(t, add(a, b), max(a, b))
		require.True(t, add(a, b) == a+b || add(a, b) == math.MaxUint64)
		require.LessOrEqual(t, sub(a, b), a)
		require.Equal(t, max(a, b)-b, sub(a, b))
	})
}

func TestUpperCoversPromptTemplateAndAnswer(t *testing.T) {
	require.Equal(t, uint64(1000+2*16+64+512), Upper(1000, 2, 512))
	require.Equal(t, uint64(64), Upper(-1, -1, -1))
	require.Equal(t, uint64(math.MaxInt)+16*uint64(1)+64, Upper(math.MaxInt, 1, 0))
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) int { return rapid.IntRange(0, math.MaxInt).Draw(t, name) }
		p, m, n := draw("prompt"), draw("messages"), draw("max")
		up := Upper(p, m, n)
		require.GreaterOrEqual(t, up, max(uint64(p), uint64(m), uint64(n)))
		require.LessOrEqual(t, Upper(p/2, m/2, n/2), up)
	})
}

// TestStoredNamesAreAnybodys: names of models and writers are text from outside.
func TestStoredNamesAreAnybodys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := strings.ToValidUTF8(rapid.String().Draw(t, "name"), "?")
		e := newEntry()
		e.Models[name] = spend{Use: used(3)}
		e.Writers[name] = open{N: 1, Slices: map[string]Amount{name: tokens(2)}}
		data, err := json.Marshal(e)
		require.NoError(t, err)
		again, err := decodeEntry(data)
		require.NoError(t, err)
		require.Equal(t, e.account(), again.account())
	})
}
