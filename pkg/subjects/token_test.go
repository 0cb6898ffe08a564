package subjects_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// keyPattern is what nats.go accepts as a key of a KV bucket; without the dot it is also one subject token.
var keyPattern = regexp.MustCompile(`^[-/_=a-zA-Z0-9]+$`)

func TestEncode(t *testing.T) {
	for text, token := range map[string]string{
		"r1":                     "r1",
		"Some_Name-2":            "Some_Name-2",
		"Qwen/Qwen2-7B-Instruct": "Qwen=2FQwen2-7B-Instruct",
		"a.b":                    "a=2Eb",
		"*":                      "=2A",
		">":                      "=3E",
		"=":                      "=3D",
		"":                       "=",
		"world/group a":          "world=2Fgroup=20a",
		"é":                      "=C3=A9",
		"\x00\r\n":               "=00=0D=0A",
	} {
		require.Equal(t, token, subjects.Encode(text))
		back, err := subjects.Decode(token)
		require.NoError(t, err)
		require.Equal(t, text, back)
	}
}

// Any bytes, valid text or not, come back; what travels is one token and a legal key.
func TestEncodeRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := string(rapid.SliceOf(rapid.Byte()).Draw(t, "text"))
		token := subjects.Encode(text)
		require.Regexp(t, keyPattern, token)
		back, err := subjects.Decode(token)
		require.NoError(t, err)
		require.Equal(t, text, back)
	})
}

func TestDecodeRefusesWhatEncodeDoesNotMake(t *testing.T) {
	for _, token := range []string{
		"", "a.b", "*", ">", "a b", "=2", "=2e", "=2G", "a=", "==", "=41", "=5F", "a=2", "é", "=3D=", "=+1",
	} {
		_, err := subjects.Decode(token)
		require.ErrorIs(t, err, subjects.ErrToken, "%q", token)
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{"r1", "=", "=2E", "=2e", "a=", "Qwen=2FQwen2"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, token string) {
		text, err := subjects.Decode(token)
		if err != nil {
			require.ErrorIs(t, err, subjects.ErrToken)
			return
		}
		require.Equal(t, token, subjects.Encode(text), "two tokens for one text")
	})
}

func TestEncodeOfPlainTextDoesNotAllocate(t *testing.T) {
	text := strings.Repeat("abc-", 10)
	require.Zero(t, testing.AllocsPerRun(100, func() { subjects.Encode(text) }))
}
