package population

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// people is a spec with all aspects that are put into words, and one that is not.
func people(size int) Spec {
	return Spec{Size: size, Seed: 7, Generator: GeneratorTemplate, Distributions: []Dist{
		{"age", []string{"18-24", "25-44", "45-64", "65 and over"}, []float64{0.15, 0.35, 0.3, 0.2}},
		{"gender", []string{"female", "male", "non-binary"}, []float64{0.5, 0.49, 0.01}},
		{"nationality", []string{"Indian", "Chinese", "American", "Atlantean"}, []float64{0.4, 0.4, 0.15, 0.05}},
		{"occupation", []string{"nurse", "engineer", "retired"}, []float64{0.4, 0.4, 0.2}},
		{"education", []string{"high school", "Ph.D."}, []float64{0.5, 0.5}},
		{"risk_attitude", []string{"cautious", "bold"}, []float64{0.5, 0.5}},
	}}
}

// genSpec draws a valid spec, with a distribution too wide for a byte now and then.
func genSpec(t *rapid.T) Spec {
	s := Spec{
		Size: rapid.IntRange(1, 2000).Draw(t, "size"), Seed: rapid.Uint64().Draw(t, "seed"),
		Generator: rapid.SampledFrom([]string{GeneratorNone, GeneratorTemplate}).Draw(t, "generator"),
	}
	names := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"age", "sex", "job", "x", "a b", "ü", "education", "country"}), 0, 4,
		rapid.ID[string]).Draw(t, "names")
	for _, name := range names {
		weights := genWeights(t, name)
		if rapid.IntRange(0, 5).Draw(t, name+" wide") == 0 {
			weights = append(weights, make([]int, 300)...)
			weights[len(weights)-1] = 9
		}
		d := Dist{Name: name, Proportions: shares(weights)}
		for i := range weights {
			d.Categories = append(d.Categories, fmt.Sprint(name, " ", i))
		}
		s.Distributions = append(s.Distributions, d)
	}
	return s
}

func draw(t require.TestingT, s Spec) *Population {
	p, err := Draw(bg, s, nil)
	require.NoError(t, err)
	return p
}

// tallyOf counts the categories through the public methods.
func tallyOf(p *Population, dist int) []int {
	out := make([]int, len(p.spec.Distributions[dist].Categories))
	for agent := range p.Size() {
		out[p.Category(agent, dist)]++
	}
	return out
}

func BenchmarkDrawEncode(b *testing.B) {
	s := Spec{Size: 1_000_000, Seed: 7, Distributions: people(1).Distributions[:2]}
	b.ReportAllocs()
	for b.Loop() {
		p := draw(b, s)
		if len(p.Encode()) < 2_000_000 {
			b.Fatal("too short")
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	data := draw(b, Spec{Size: 1_000_000, Seed: 7, Distributions: people(1).Distributions[:2]}).Encode()
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCertificate(b *testing.B) {
	p := draw(b, people(1_000_000))
	for b.Loop() {
		p.Certificate()
	}
}

func BenchmarkAppendBackground(b *testing.B) {
	p := draw(b, people(100_000))
	var dst []byte
	agent := 0
	b.ReportAllocs()
	for b.Loop() {
		dst, _ = p.AppendLookup(dst[:0], agent%p.Size(), AttrBackground)
		agent++
	}
}

func BenchmarkLookup(b *testing.B) {
	p := draw(b, people(100_000))
	agent := 0
	b.ReportAllocs()
	for b.Loop() {
		p.Lookup(agent%p.Size(), "education")
		agent++
	}
}
