package reading_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/reading"
)

// jsonValue draws any JSON value whose strings hold what trips up repairs: quotes, comment marks, brackets, commas.
func jsonValue(depth int) *rapid.Generator[any] {
	text := rapid.StringMatching(`[a-z {}\[\],:'#/"\\*é0-9]{0,12}`)
	kinds := []*rapid.Generator[any]{
		rapid.Map(text, func(s string) any { return s }),
		rapid.Map(rapid.Int64Range(-1e15, 1e15), func(n int64) any { return n }),
		rapid.Map(rapid.Float64Range(-1e6, 1e6), func(f float64) any { return f }),
		rapid.Just[any](true), rapid.Just[any](nil),
	}
	if depth > 0 {
		kinds = append(kinds,
			rapid.Map(rapid.SliceOfN(jsonValue(depth-1), 0, 3), func(list []any) any { return list }),
			rapid.Map(rapid.MapOfN(rapid.StringMatching(`[a-z_]{1,5}`), jsonValue(depth-1), 0, 3), func(m map[string]any) any { return m }))
	}
	return rapid.OneOf(kinds...)
}

var (
	quotedKey = regexp.MustCompile(`"([a-z_]{1,5})": `)
	closers   = regexp.MustCompile(`\n( *)([}\]])`)
)

// What repair makes of a damaged document is the document, or an error: never another document.
func TestRepairKeepsTheDocument(t *testing.T) {
	r, err := reading.New(reading.Spec{ID: "doc", Type: reading.TypeJSON})
	require.NoError(t, err)
	rapid.Check(t, func(t *rapid.T) {
		doc := rapid.MapOfN(rapid.StringMatching(`[a-z_]{1,5}`), jsonValue(2), 1, 4).Draw(t, "doc")
		whole, err := json.MarshalIndent(doc, "", "  ")
		require.NoError(t, err)
		reply := string(whole)
		got, err := r.Rule(reply)
		require.NoError(t, err)
		require.JSONEq(t, string(whole), got.Text)
		require.False(t, got.Repaired)

		damage := rapid.SampledFrom([]string{"comma", "brace", "comment", "keys", "cut"}).Draw(t, "damage")
		switch damage {
		case "comma":
			reply = closers.ReplaceAllString(reply, ",\n$1$2")
		case "brace":
			reply = strings.TrimSuffix(reply, "}")
		case "comment":
			reply = strings.ReplaceAll(reply, "\n", " // it's so, {\"a\": 1}\n")
		case "keys":
			reply = quotedKey.ReplaceAllString(reply, "$1: ")
		case "cut":
			reply = reply[:rapid.IntRange(1, len(reply)-1).Draw(t, "at")]
		}
		got, err = r.Rule(reply)
		if damage == "cut" {
			// What is left may end right after a member, which cannot be told from a forgotten brace. But no value changes.
			if err == nil {
				var left map[string]any
				require.NoError(t, json.Unmarshal([]byte(got.Text), &left), reply)
				require.True(t, prefixOf(left, roundTrip(t, whole)), "%s\n%s", reply, got.Text)
			}
			return
		}
		require.NoError(t, err, "%s: %s", damage, reply)
		require.JSONEq(t, string(whole), got.Text, "%s: %s", damage, reply)
	})
}

func roundTrip(t require.TestingT, text []byte) any {
	var v any
	require.NoError(t, json.Unmarshal(text, &v))
	return v
}

// prefixOf reports whether left holds nothing but what whole holds in the same place.
func prefixOf(left, whole any) bool {
	switch l := left.(type) {
	case map[string]any:
		w, ok := whole.(map[string]any)
		if !ok {
			return false
		}
		for k, v := range l {
			if other, has := w[k]; !has || !prefixOf(v, other) {
				return false
			}
		}
		return true
	case []any:
		w, ok := whole.([]any)
		if !ok || len(l) > len(w) {
			return false
		}
		for i := range l {
			if !prefixOf(l[i], w[i]) {
				return false
			}
		}
		return true
	}
	return left == whole
}

// Single quotes are repaired wherever that is safe, and the common defects are not all refused.
func TestRepairIsOfUse(t *testing.T) {
	r, err := reading.New(reading.Spec{ID: "doc", Type: reading.TypeJSON})
	require.NoError(t, err)
	for reply, want := range map[string]string{
		`{'a': 'b, c', 'n': 1.50}`:                            `{"a": "b, c", "n": 1.5}`,
		`{"a": [1, 2, 3,], "b": {"c": null,},}`:               `{"a": [1, 2, 3], "b": {"c": null}}`,
		"{\"a\": 1, // one\n \"b\": 2 /* two */}":             `{"a": 1, "b": 2}`,
		`{'u': 'http://x/#y', 'q': 'say "hi"', 'e': 'it\'s'}`: `{"u": "http://x/#y", "q": "say \"hi\"", "e": "it's"}`,
		`{a: True, b: False, c: None}`:                        `{"a": true, "b": false, "c": null}`,
		"{\"a\": {\"b\": [1, 2]\n":                            `{"a": {"b": [1, 2]}}`,
		"{\"url\": \"http://x.y/#z\", \"n\": 2,}":             `{"url": "http://x.y/#z", "n": 2}`,
		"```json\n{\"a\": \"it's\", 'b': \"c\"}\n```":         `{"a": "it's", "b": "c"}`,
	} {
		got, err := r.Rule(reply)
		require.NoError(t, err, reply)
		require.JSONEq(t, want, got.Text, reply)
		require.True(t, got.Repaired, reply)
	}
	for _, reply := range []string{`{'a': 'it's'}`, `{"a": 1 "b": 2}`, `{"a": 33,3}`, `{"a": 1,, "b": 2}`, `{"a" 1}`, `{"a": "x}`, `{"a": [1, 2}`,
		`{"a": 1/2}`, `{"a": .5}`, `{"a": 1, "a": 2}`, "{\"a\": \"two\nlines\"}", strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100)} {
		_, err := r.Rule(reply)
		require.Error(t, err, reply)
	}
}
