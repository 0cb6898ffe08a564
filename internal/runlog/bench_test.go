package runlog

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

// A host writes a batch of 256 answers at a time.
const benchChunk = 256

func benchAnswers(first int) *Answers {
	var list []one
	for i := range benchChunk {
		o := plain(1, first+i)
		o.text = fmt.Sprintf("I think the others will say more, so my number is %d.", (first+i)%101)
		list = append(list, o)
	}
	return chunkOf(0, first/1024, list...)
}

func BenchmarkEncodeChunk(b *testing.B) {
	a := benchAnswers(0)
	b.ReportAllocs()
	for b.Loop() {
		data, err := EncodeAnswers(Header{Run: "r1", Round: 1, Writer: "h", Epoch: 1}, a)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(int64(len(data)))
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchChunk), "ns/answer")
}

func BenchmarkDecodeChunk(b *testing.B) {
	data, err := EncodeAnswers(Header{Run: "r1", Round: 1, Writer: "h", Epoch: 1}, benchAnswers(0))
	require.NoError(b, err)
	b.ReportAllocs()
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
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*benchChunk), "ns/answer")
}

// BenchmarkFold is a round of a million answers, as a coordinator and an environment fold it: from opened to the digest.
func BenchmarkFold(b *testing.B) {
	const agents = 1 << 20
	bk := newBook(b)
	bk.begin(agents, 1, 1024)
	bk.open()
	prefix := len(bk.entries)
	for first := 0; first < agents; first += benchChunk {
		bk.entries = append(bk.entries, bk.answers(1, 1, benchAnswers(first)))
	}
	b.ReportAllocs()
	b.ResetTimer()
	for b.Loop() {
		b.StopTimer()
		f := NewFold("r1", WithAnswers())
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
		if !f.Complete() || len(f.digest.root()) == 0 {
			b.Fatal("not complete")
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*agents), "ns/answer")
	b.ReportMetric(float64(b.N*agents)/b.Elapsed().Seconds(), "answers/s")
}

// BenchmarkDigest is the part of it that hashes a million answers whose texts are hashed already.
func BenchmarkDigest(b *testing.B) {
	const agents = 1 << 20
	bk := newBook(b)
	bk.begin(agents, 1, 1024)
	bk.open()
	f := bk.fold
	b.ReportAllocs()
	for b.Loop() {
		for i := range f.digest.sums {
			f.digest.sums[i] = f.digest.block(i)
		}
		f.digest.root()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*agents), "ns/answer")
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
	b.ReportAllocs()
	for b.Loop() {
		if _, err := bk.fold.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
