package reading_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/reading"
)

func tagged(t require.TestingT, tags ...string) *reading.Reader {
	r, err := reading.New(reading.Spec{ID: "say", Type: reading.TypeTagged, Tags: tags})
	require.NoError(t, err)
	return r
}

func program(t require.TestingT, language string) *reading.Reader {
	r, err := reading.New(reading.Spec{ID: "program", Type: reading.TypeCode, Language: language})
	require.NoError(t, err)
	return r
}

func TestErrorsOfCodeAndTagsNameWhatIsWrong(t *testing.T) {
	for reply, want := range map[string]error{
		"no code":                          reading.ErrNoValue,
		"```\na":                           reading.ErrTruncated,
		"```python\na\n``` trailing":       reading.ErrTruncated,
		"```python\n\n```":                 reading.ErrNoValue,
		"```go\na\n```":                    reading.ErrNoValue,
		"```python\na\n```\n```py\nb\n```": reading.ErrManyValues,
		"I can't help with that.":          reading.ErrRefusal,
		" \n":                              reading.ErrEmpty,
	} {
		got, err := program(t, "python").Rule(reply)
		require.ErrorIs(t, err, want, reply)
		require.Zero(t, got, reply)
	}
	_, err := program(t, "python").Rule("```go\na\n```")
	require.EqualError(t, err, "the reply contains no answer that can be read: no code block names the language python")
	for reply, want := range map[string]string{
		"<speak>x</speak>":                              "the reply contains no answer that can be read: there is no <thought>…</thought>",
		"<thought>x</thought><speak>y":                  "the reply stops before the answer is complete: <speak> is not closed",
		"<thought>x</thought><speak>y</speak><thought>": "the reply contains more than one possible answer: <thought> is there twice",
		"<thought><thought>x</thought></thought>":       "it is not clear what the answer in the reply is: <thought> is inside <thought>",
		"</speak>":                                       "it is not clear what the answer in the reply is: </speak> closes nothing",
		"<thought> </thought><speak></speak>":            "the reply is empty: there is nothing between the tags",
		"I prefer not to answer.":                        "the reply refuses to answer",
		"<thought>I prefer not to answer.</thought> ":    "the reply contains no answer that can be read: there is no <speak>…</speak>",
		"<think>x</think>":                               "the reply is empty",
		"<think>never ends <thought>x</thought><speak>y": "the reply stops before the answer is complete: the thinking never ends",
	} {
		_, err := tagged(t, "thought", "speak").Rule(reply)
		require.EqualError(t, err, want, reply)
	}
}

func TestExtractionOfCodeAndTagsIsStrict(t *testing.T) {
	r := program(t, "go")
	got, err := r.Extraction("```go\nx := 1\n```\n")
	require.NoError(t, err)
	require.Equal(t, "x := 1", got.Text)
	for reply, want := range map[string]error{
		"[NONE]": reading.ErrNoValue, "[REFUSED]": reading.ErrRefusal, "Here:\n```go\nx\n```": reading.ErrNoValue, "```go\nx\n```\nDone.": reading.ErrNoValue,
		"```go\nx": reading.ErrTruncated, "```py\nx\n```": reading.ErrNoValue, "x := 1": reading.ErrNoValue, "```go\nx\n```\n```go\ny\n```": reading.ErrNoValue,
	} {
		_, err := r.Extraction(reply)
		require.ErrorIs(t, err, want, reply)
	}
	require.Contains(t, r.ExtractionPrompt("q", "r")[0].Content, "one code block that starts with a line ```go and ends with a line ```")

	s := tagged(t, "thought", "speak")
	got, err = s.Extraction("<thought>a</thought>\n<speak>b</speak>")
	require.NoError(t, err)
	require.JSONEq(t, `{"thought":"a","speak":"b"}`, got.Text)
	for reply, want := range map[string]error{
		"NONE": reading.ErrNoValue, "REFUSED": reading.ErrRefusal, "Here: <thought>a</thought><speak>b</speak>": reading.ErrNoValue,
		"<thought>a</thought> and <speak>b</speak>": reading.ErrNoValue, "<thought>a</thought><speak>b</speak>.": reading.ErrNoValue,
		"<thought>a</thought>": reading.ErrNoValue, "<thought>a</thought><speak>b": reading.ErrTruncated,
	} {
		_, err := s.Extraction(reply)
		require.ErrorIs(t, err, want, reply)
	}
	require.Contains(t, s.ReaskPrompt(reading.ErrEmpty), "<thought>…</thought> <speak>…</speak>, each exactly once")
}

// Whatever code there is, it comes out of a fence that is longer than those in it, and text between tags as it went in.
func TestCodeAndTagsReadBack(t *testing.T) {
	line := rapid.StringMatching("[ \t]{0,3}[a-z`~<>\"'{}=é]{0,8}")
	rapid.Check(t, func(t *rapid.T) {
		lines := rapid.SliceOfN(line, 1, 8).Draw(t, "lines")
		code := strings.Join(lines, "\n")
		mark := rapid.SampledFrom([]string{"`", "~"}).Draw(t, "mark")
		indent := strings.Repeat(" ", rapid.IntRange(0, 4).Draw(t, "indent"))
		fence := indent + strings.Repeat(mark, 12)
		reply := "Look:\n" + fence + "python\n" + indent + strings.Join(lines, "\n"+indent) + "\n" + fence + "\nThat is it."
		got, err := program(t, rapid.SampledFrom([]string{"", "python", "py"}).Draw(t, "language")).Rule(reply)
		if strings.TrimSpace(code) == "" {
			require.ErrorIs(t, err, reading.ErrNoValue)
		} else {
			require.NoError(t, err)
			require.Equal(t, code, got.Text)
		}

		said := strings.TrimSpace(rapid.StringMatching("[a-z <>/\"'{}=é\n\\\\]{0,20}").Draw(t, "said"))
		got, err = tagged(t, "AA", "bb").Rule("x <bb>" + said + "</bb>\n<AA>y</AA>")
		if strings.Contains(said, "<bb>") || strings.Contains(said, "</bb>") {
			return
		}
		require.NoError(t, err)
		require.JSONEq(t, `{"AA":"y","bb":`+quote(t, said)+`}`, got.Text)
		require.True(t, strings.HasPrefix(got.Text, `{"AA":"y","bb":"`), got.Text)
	})
}
