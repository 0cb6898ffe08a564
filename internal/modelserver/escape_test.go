package modelserver

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func FuzzAppendString(f *testing.F) {
	for _, s := range []string{
		"", "plain", "eight by", "quote \" and \\ slash", "line\nfeed\ttab\r\b\f\x00\x1f\x7f", "Zürich 日本 🎲", "bad \xff\xfe\xc3", "\u2028\u2029",
		strings.Repeat("x", 7) + "\"", strings.Repeat("x", 8) + "\\", "\x80\"\x80\"\x80\"\x80\"", "<&>", "\xed\xa0\x80",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ours := appendString([]byte("before"), s)
		require.Equal(t, "before", string(ours[:6]))
		require.True(t, json.Valid(ours[6:]), "%q", ours)
		theirs, err := json.Marshal(s)
		require.NoError(t, err)
		var a, b string
		require.NoError(t, json.Unmarshal(ours[6:], &a))
		require.NoError(t, json.Unmarshal(theirs, &b))
		require.Equal(t, b, a)
	})
}
