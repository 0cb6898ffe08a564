package runlog

import (
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/stats"
)

func known(err error) bool {
	return errors.Is(err, ErrDamaged) || errors.Is(err, ErrVersion) || errors.Is(err, ErrOrder) || errors.Is(err, ErrDigest) || errors.Is(err, ErrTooLarge)
}

// anyAnswers draws chunks with all columns.
func anyAnswers(most int) *rapid.Generator[*Answers] {
	return rapid.Custom(func(t *rapid.T) *Answers {
		a := &Answers{Question: rapid.IntRange(0, math.MaxInt32).Draw(t, "question"), Shard: rapid.IntRange(0, math.MaxInt32).Draw(t, "shard")}
		names := rapid.SampledFrom([]string{"", "m", "model", strings.Repeat("long", 100)})
		next := 0
		for i := range rapid.IntRange(0, most).Draw(t, "n") {
			next += rapid.OneOf(rapid.IntRange(0, 3), rapid.IntRange(0, math.MaxInt32)).Draw(t, "gap")
			a.Agents = append(a.Agents, next)
			next++
			a.Status = append(a.Status, stats.Status(rapid.Byte().Draw(t, "status")))
			a.Values = append(a.Values, rapid.Int64().Draw(t, "value"))
			a.Text = append(a.Text, string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "text")))
			a.TokensIn, a.TokensOut = append(a.TokensIn, rapid.Uint32().Draw(t, "in")), append(a.TokensOut, rapid.Uint32().Draw(t, "out"))
			a.Calls, a.Retries = append(a.Calls, rapid.Byte().Draw(t, "calls")), append(a.Retries, rapid.Byte().Draw(t, "retries"))
			a.PromptSHA = append(a.PromptSHA, rapid.Uint64().Draw(t, "sha"))
			a.Model, a.Served = append(a.Model, names.Draw(t, "model")), append(a.Served, names.Draw(t, "served"))
			if rapid.IntRange(0, 3).Draw(t, "attempts") == 0 {
				if a.Attempts == nil {
					a.Attempts = map[int][]Attempt{}
				}
				a.Attempts[i] = []Attempt{{Kind: 1, Text: "first"}, {Kind: rapid.Byte().Draw(t, "kind"), Number: rapid.Uint32().Draw(t, "number"), Text: rapid.String().Draw(t, "attempt")}}
			}
		}
		if rapid.Bool().Draw(t, "sparse") {
			addSparse(t, a)
		}
		return a
	})
}

// addSparse draws the columns that most chunks do without; those that would say nothing stay nil.
func addSparse(t *rapid.T, a *Answers) {
	shared, apportioned := make([]int32, a.Len()), make([]bool, a.Len())
	for i := range a.Len() {
		shared[i] = rapid.OneOf(rapid.Just(int32(-1)), rapid.Int32Range(-1, math.MaxInt32)).Draw(t, "shared")
		apportioned[i] = rapid.Bool().Draw(t, "apportioned")
		if text := rapid.StringN(0, -1, MaxReason).Draw(t, "reason"); text != "" && rapid.IntRange(0, 3).Draw(t, "refused") == 0 {
			if a.Reasons == nil {
				a.Reasons = map[int]string{}
			}
			a.Reasons[i] = text
		}
	}
	if slices.ContainsFunc(shared, func(agent int32) bool { return agent >= 0 }) {
		a.Shared = shared
	}
	if slices.Contains(apportioned, true) {
		a.Apportioned = apportioned
	}
}

func TestAnswersComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyAnswers(20).Draw(t, "answers")
		data, err := EncodeAnswers(Header{Run: "r", Round: 1, Epoch: 2}, want)
		require.NoError(t, err)
		h, body, err := Decode(data)
		require.NoError(t, err)
		require.Equal(t, Header{Kind: KindAnswer, Run: "r", Round: 1, Epoch: 2}, h)
		got, err := DecodeAnswers(body)
		require.NoError(t, err)
		clear(body) // nothing is shared with the record
		if want.Len() == 0 {
			require.Zero(t, got.Len())
			return
		}
		require.Equal(t, want, got)
	})
}

// A host encodes into one buffer again and again, behind what is in it.
func TestAnswersAreAppended(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		h := Header{Run: "r", Round: 1, Writer: "w", Epoch: 2}
		var buf, want []byte
		for _, a := range rapid.SliceOfN(anyAnswers(6), 1, 4).Draw(t, "chunks") {
			record, err := EncodeAnswers(h, a)
			require.NoError(t, err)
			want = append(want, record...)
			buf, err = AppendAnswers(buf, h, a)
			require.NoError(t, err)
			require.Equal(t, want, buf)
			_, err = AppendAnswers(buf, h, &Answers{Agents: []int{1}})
			require.Error(t, err)
		}
		h.Round = -1
		kept, err := AppendAnswers(buf, h, &Answers{})
		require.Error(t, err)
		require.Equal(t, want, kept)
	})
	a := chunkOf(0, 0, plain(1, 0), plain(1, 7))
	buf := make([]byte, 0, 1024)
	require.Zero(t, testing.AllocsPerRun(10, func() { _, _ = AppendAnswers(buf, Header{Run: "r"}, a) })) // it has worked above
}

// A chunk is decoded into again and again; nothing of an earlier record may show.
func TestChunksAreReused(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var c chunk
		for _, want := range rapid.SliceOfN(anyAnswers(6), 1, 4).Draw(t, "chunks") {
			body, err := want.appendBody(nil)
			require.NoError(t, err)
			require.NoError(t, c.decode(body))
			fresh, err := DecodeAnswers(body)
			require.NoError(t, err)
			require.Equal(t, fresh, c.answers())
		}
	})
}

func TestEncodeAnswersRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Answers){
		"descending":       func(a *Answers) { a.Agents[1] = 0 },
		"negative":         func(a *Answers) { a.Agents[0] = -1 },
		"short column":     func(a *Answers) { a.TokensIn = a.TokensIn[1:] },
		"no models":        func(a *Answers) { a.Model = nil },
		"negative shard":   func(a *Answers) { a.Shard = -1 },
		"foreign attempts": func(a *Answers) { a.Attempts = map[int][]Attempt{7: {}} },
		"foreign reason":   func(a *Answers) { a.Reasons = map[int]string{2: "no"} },
		"negative reason":  func(a *Answers) { a.Reasons = map[int]string{-1: "no"} },
		"short shared":     func(a *Answers) { a.Shared = []int32{1} },
		"long apportioned": func(a *Answers) { a.Apportioned = make([]bool, 3) },
	} {
		a := chunkOf(0, 0, plain(1, 0), plain(1, 1))
		spoil(a)
		_, err := EncodeAnswers(Header{}, a)
		require.Error(t, err, name)
	}
	big := &Answers{}
	for range MaxChunk + 1 {
		big.Agents = append(big.Agents, big.Len())
	}
	_, err := EncodeAnswers(Header{}, big)
	require.ErrorIs(t, err, ErrTooLarge)
}

func FuzzDecodeAnswers(f *testing.F) {
	for _, a := range []*Answers{{}, chunkOf(0, 1, plain(1, 4), plain(1, 9)), chunkOf(3, 0, one{0, stats.Missing, 0, ""})} {
		body, err := a.appendBody(nil)
		require.NoError(f, err)
		f.Add(body)
	}
	for _, name := range []string{"answer", "answer-sparse"} {
		_, body, err := Decode(golden(f)[name])
		require.NoError(f, err)
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var a *Answers
		var err error
		grown := allocated(func() { a, err = DecodeAnswers(body) })
		require.Less(t, grown, uint64(64*len(body)+64<<10), "memory for %d bytes", len(body))
		if err != nil {
			require.True(t, known(err), "%v", err)
			return
		}
		require.NoError(t, a.check())
		again, err := a.appendBody(nil)
		require.NoError(t, err)
		b, err := DecodeAnswers(again)
		require.NoError(t, err)
		require.Equal(t, a, b)
	})
}

// allocated is how many bytes fn allocates. It is an upper bound where other goroutines allocate too.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func TestDecodeAnswersRefuses(t *testing.T) {
	good, err := chunkOf(0, 1, plain(1, 4), plain(1, 9)).appendBody(nil)
	require.NoError(t, err)
	require.Equal(t, []byte{0x9e, 1, 0, 1, 0xc6}, good[:5])
	refuse := func(want error, body []byte) {
		t.Helper()
		_, err := DecodeAnswers(body)
		require.ErrorIs(t, err, want)
	}
	refuse(ErrDamaged, nil)
	refuse(ErrDamaged, append([]byte{0x9d}, good[1:]...))
	refuse(ErrVersion, append([]byte{0x9e, 2}, good[2:]...))
	refuse(ErrDamaged, append(good, 0))
	for n := range good {
		refuse(ErrDamaged, good[:n])
	}
	refuse(ErrDamaged, append([]byte{0xdc, 0, 15}, append(good[1:len(good):len(good)], 0xc6, 0, 0, 0, 0)...))
	long := (&Answers{}).longGaps()
	refuse(ErrDamaged, long)
}

// longGaps is a body whose agents column names more than a chunk may hold.
func (a *Answers) longGaps() []byte {
	out := []byte{0x9e, 1, 0, 0}
	out = appendBin(out, make([]byte, 4*MaxChunk))
	for range 10 {
		out = appendBin(out, nil)
	}
	return out
}
