package runlog

import (
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"
)

// A host writes up to a shard of answers at a time.
const benchChunk = 1024

func benchAnswers(first int) *Answers {
	var list []one
	for i := range benchChunk {
		o := plain(1, first+i)
		o.value = int64(7919 * (first + i) % 10_001) // from 0 to 100
		o.text = fmt.Sprintf("I think the others will say more, so my number is %d.", (first+i)%101)
		list = append(list, o)
	}
	return chunkOf(0, first/1024, list...)
}

// perAnswer begins to count what b.N times a number of answers cost, and returns what reports it.
func perAnswer(b *testing.B, answers int) (report func()) {
	b.Helper()
	b.ReportAllocs()
	objects := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.Mallocs
	}
	before := objects()
	return func() {
		n := float64(b.N * answers)
		b.ReportMetric(float64(objects()-before)/n, "allocs/answer")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n, "ns/answer")
	}
}

// BenchmarkEncodeChunk appends to one buffer again and again, as a host does.
func BenchmarkEncodeChunk(b *testing.B) {
	a := benchAnswers(0)
	report := perAnswer(b, benchChunk)
	var buf []byte
	for b.Loop() {
		var err error
		if buf, err = AppendAnswers(buf[:0], Header{Run: "r1", Round: 1, Writer: "h", Epoch: 1}, a); err != nil {
			b.Fatal(err)
		}
	}
	b.SetBytes(int64(len(buf)))
	report()
}

func BenchmarkDecodeChunk(b *testing.B) {
	data, err := EncodeAnswers(Header{Run: "r1", Round: 1, Writer: "h", Epoch: 1}, benchAnswers(0))
	require.NoError(b, err)
	report := perAnswer(b, benchChunk)
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		_, body, err := Decode(data)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := DecodeAnswers(body); err != nil {
			b.Fatal(err)
		}
	}
	report()
}

// BenchmarkFold is a round of a million answers from its opening on: to the digest, as a coordinator folds it, and without
// one, as an environment does.
func BenchmarkFold(b *testing.B) {
	const agents = 1 << 20
	bk := newBook(b)
	bk.begin(agents, 1, 1024)
	bk.open()
	prefix := len(bk.entries)
	for first := 0; first < agents; first += benchChunk {
		bk.entries = append(bk.entries, bk.answers(1, 1, benchAnswers(first)))
	}
	for name, option := range map[string]Option{"digest": WithAnswers(), "columns": WithColumns()} {
		b.Run(name, func(b *testing.B) {
			report := perAnswer(b, agents)
			for b.Loop() {
				b.StopTimer()
				f := NewFold("r1", option)
				for _, e := range bk.entries[:prefix] {
					if _, err := f.Apply(e); err != nil {
						b.Fatal(err)
					}
				}
				b.StartTimer()
				for _, e := range bk.entries[prefix:] {
					if _, err := f.Apply(e); err != nil {
						b.Fatal(err)
					}
				}
				if !f.Complete() {
					b.Fatal("not complete")
				}
			}
			report()
		})
	}
}

// BenchmarkDigest is the part of it that hashes a million answers whose texts are hashed already.
func BenchmarkDigest(b *testing.B) {
	const agents = 1 << 20
	bk := newBook(b)
	bk.begin(agents, 1, 1024)
	bk.open()
	f := bk.fold
	texts := f.digest.room()
	report := perAnswer(b, agents)
	for b.Loop() {
		for i := range f.digest.blocks {
			f.digest.blocks[i].texts = texts
			f.digest.blocks[i].sum = f.digest.block(i)
		}
		f.digest.root()
	}
	report()
}

// BenchmarkClose is what closing a round of a million answers costs after the last one is in.
func BenchmarkClose(b *testing.B) {
	const agents = 1 << 20
	bk := newBook(b)
	bk.begin(agents, 1, 1024)
	bk.open()
	for first := 0; first < agents; first += benchChunk {
		bk.add(bk.answers(1, 1, benchAnswers(first)))
	}
	report := perAnswer(b, agents)
	for b.Loop() {
		bk.fold.figures = nil // or they would be computed once
		if _, err := bk.fold.Close(); err != nil {
			b.Fatal(err)
		}
	}
	report()
}
