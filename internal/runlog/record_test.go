package runlog

import (
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

var update = flag.Bool("update", false, "write the golden records anew: only for a new format version")

// golden are one record of each class. Their bytes are a contract: logs are kept.
func golden(t testing.TB) map[string][]byte {
	t.Helper()
	out := map[string][]byte{}
	put := func(name string, data []byte, err error) {
		require.NoError(t, err)
		out[name] = data
	}
	lease := Lease{Host: "host-a", Incarnation: "host-a-7", Ranges: []Range{{0, 3}, {7, 8}}}
	data, err := Encode(Header{Kind: subjects.KindLease, Run: "r1", Round: 2, Writer: "c1", Epoch: 300}, lease)
	put("control", data, err)
	a := chunkOf(1, 3, one{3072, stats.Answered, 1, "bad"}, one{3075, stats.Missing, 0, ""}, one{4000, stats.Extracted, 0, "gut, \x00\xff"})
	a.Model[2], a.Served[1], a.Retries[2], a.TokensIn[0] = "other", "", 9, 1<<32-1
	a.Attempts = map[int][]Attempt{2: {{Kind: 1, Text: "hm"}, {Kind: 2, Number: 1, Text: "gut"}}}
	data, err = EncodeAnswers(Header{Run: "r1", Round: 1, Writer: "host-a-7", Epoch: 1}, a)
	put("answer", data, err)
	a.Shared, a.Apportioned, a.Reasons = []int32{-1, 0, 1_000_000}, []bool{true, false, true}, map[int]string{1: "content filter"}
	data, err = EncodeAnswers(Header{Run: "r1", Round: 1, Writer: "host-a-7", Epoch: 1}, a)
	put("answer-sparse", data, err)
	data, err = EncodeAsked(Header{Run: "r1", Round: 1, Writer: "host-a-7", Epoch: 1}, Asked{Question: 1, Shard: 3, Agents: []int{3072, 4, 4000, 1}})
	put("asked", data, err)
	data, err = Encode(Header{Kind: KindMessage, Run: "a run with a name that is longer than a fixstr", Round: 0, Writer: "w", Epoch: 1}, []byte{0xc0})
	put("message", data, err)
	return out
}

func TestTheFormatIsAContract(t *testing.T) {
	for name, data := range golden(t) {
		file := filepath.Join("testdata", name+".hex")
		if *update {
			require.NoError(t, os.WriteFile(file, []byte(hex.EncodeToString(data)+"\n"), 0o600))
		}
		want, err := os.ReadFile(file)
		require.NoError(t, err)
		require.Equal(t, string(want), hex.EncodeToString(data)+"\n", name)
	}
}

func TestEveryBitFlipIsCaught(t *testing.T) {
	for name, data := range golden(t) {
		for bit := range 8 * len(data) {
			data[bit/8] ^= 1 << (bit % 8)
			_, _, err := Decode(data)
			require.Error(t, err, "%s, bit %d", name, bit)
			data[bit/8] ^= 1 << (bit % 8)
		}
		for n := range data {
			_, _, err := Decode(data[:n])
			require.ErrorIs(t, err, ErrDamaged, "%s, cut to %d bytes", name, n)
		}
		_, _, err := Decode(append(data, 0))
		require.ErrorIs(t, err, ErrDamaged, name)
	}
}

func TestDecodeRefusesByName(t *testing.T) {
	data := golden(t)["control"]
	data[1] = 2
	_, _, err := Decode(data)
	require.ErrorIs(t, err, ErrVersion)
	_, err = Encode(Header{Kind: "x", Round: -1}, []byte{})
	require.Error(t, err)
	_, err = Encode(Header{Kind: "x"}, func() {})
	require.Error(t, err)

	record := signed(func() []byte { // a text and a body that claim gigabytes
		return []byte{0x98, 1, 0xce, 0, 0, 0, 0, 0xdb, 0x7f, 0xff, 0xff, 0xff, 'x'}
	})
	_, _, err = Decode(record)
	require.ErrorIs(t, err, ErrDamaged)
	record = signed(func() []byte {
		return []byte{0x98, 1, 0xce, 0, 0, 0, 0, 0xa1, 'k', 0xa1, 'r', 0, 0xa1, 'w', 0, 0xc6, 0xff, 0xff, 0xff, 0xff}
	})
	_, _, err = Decode(record)
	require.ErrorIs(t, err, ErrDamaged)
}

// A later version may append fields to the envelope; this one reads past them.
func TestDecodeSkipsAppendedFields(t *testing.T) {
	data, err := Encode(Header{Kind: "k", Run: "r", Writer: "w"}, []byte("body"))
	require.NoError(t, err)
	data = signed(func() []byte { data[0]++; return append(data, 0xc0) })
	h, body, err := Decode(data)
	require.NoError(t, err)
	require.Equal(t, Header{Kind: "k", Run: "r", Writer: "w"}, h)
	require.Equal(t, "body", string(body))
}

// signed gives a record its checksum.
func signed(build func() []byte) []byte {
	data := build()
	sum := checksum(data)
	data[3], data[4], data[5], data[6] = byte(sum>>24), byte(sum>>16), byte(sum>>8), byte(sum)
	return data
}

func TestRecordsComeBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringN(0, -1, 80)
		want := Header{
			Kind: text.Draw(t, "kind"), Run: text.Draw(t, "run"), Round: rapid.IntRange(0, 1<<31-1).Draw(t, "round"),
			Writer: text.Draw(t, "writer"), Epoch: rapid.Uint64().Draw(t, "epoch"),
		}
		body := rapid.SliceOf(rapid.Byte()).Draw(t, "body")
		data, err := Encode(want, body)
		require.NoError(t, err)
		h, got, err := Decode(data)
		require.NoError(t, err)
		require.Equal(t, want, h)
		require.Equal(t, string(body), string(got))
	})
}

func FuzzDecode(f *testing.F) {
	for _, data := range golden(f) {
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range [][]byte{data, resigned(data)} {
			h, body, err := Decode(d)
			if err != nil {
				require.True(t, known(err), "%v", err)
				continue
			}
			again, err := Encode(h, body)
			require.NoError(t, err)
			h2, body2, err := Decode(again)
			require.NoError(t, err)
			require.Equal(t, h, h2)
			require.Equal(t, body, body2)
		}
	})
}

// resigned makes the checksum of a mutated record right, so that the fuzzer gets past it.
func resigned(data []byte) []byte {
	if len(data) < sumEnd {
		return data
	}
	return signed(func() []byte { return append([]byte{}, data...) })
}
