package population

import (
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestLookup(t *testing.T) {
	p := draw(t, people(100))
	require.Equal(t, 100, p.Size())
	require.Equal(t, []string{"age", "gender", "nationality", "occupation", "education", "risk_attitude", "name", "background"}, p.Names())
	for agent := range p.Size() {
		attributes := p.Attributes(agent)
		require.Len(t, attributes, 7)
		for _, name := range p.Names() {
			text, ok := p.Lookup(agent, name)
			require.True(t, ok)
			require.NotEmpty(t, text)
			appended, ok := p.AppendLookup([]byte("> "), agent, name)
			require.True(t, ok)
			require.Equal(t, "> "+text, string(appended))
			if name != AttrBackground {
				require.Equal(t, text, attributes[name])
			}
		}
		text, _ := p.Lookup(agent, AttrBackground)
		require.Contains(t, text, attributes[AttrName])
		require.Equal(t, p.Attr(agent, 4), attributes["education"])
	}
}

func TestLookupOfNothing(t *testing.T) {
	p := draw(t, people(10))
	for _, agent := range []int{-1, 10, 1 << 40} {
		for _, name := range p.Names() {
			text, ok := p.Lookup(agent, name)
			require.False(t, ok)
			require.Empty(t, text)
			same, ok := p.AppendLookup([]byte("kept"), agent, name)
			require.False(t, ok)
			require.Equal(t, "kept", string(same))
		}
		require.Empty(t, p.Attributes(agent))
		require.Empty(t, p.Attr(agent, 0))
	}
	require.Empty(t, p.Attr(0, -1))
	require.Empty(t, p.Attr(0, 6))
	_, ok := p.Lookup(0, "height")
	require.False(t, ok)

	plain := people(10)
	plain.Generator = GeneratorNone
	p = draw(t, plain)
	require.NotContains(t, p.Names(), AttrBackground)
	for _, name := range []string{AttrName, AttrBackground} {
		_, ok := p.Lookup(0, name)
		require.False(t, ok)
	}
}

func TestLookupDoesNotAllocate(t *testing.T) {
	p := draw(t, people(100))
	dst := make([]byte, 0, 4096)
	require.Zero(t, testing.AllocsPerRun(100, func() { p.Lookup(42, "education") }))
	require.Zero(t, testing.AllocsPerRun(100, func() { p.AppendLookup(dst, 42, AttrBackground) }))
}

// A text depends on nothing but seed, number and categories, so a population read back tells the same stories.
func TestBackgroundsAreReproducible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSpec(t)
		s.Generator = GeneratorTemplate
		p := draw(t, s)
		again, err := Decode(p.Encode())
		require.NoError(t, err)
		agent := rapid.IntRange(0, s.Size-1).Draw(t, "agent")
		text, _ := p.Lookup(agent, AttrBackground)
		same, _ := again.Lookup(agent, AttrBackground)
		require.Equal(t, text, same)
	})
}

func TestCertificate(t *testing.T) {
	s := Spec{Size: 3, Distributions: []Dist{
		{"a", []string{"x", "y"}, []float64{0.5, 0.5}}, {"b", []string{"x", "y", "z"}, []float64{1. / 3, 1. / 3, 1. / 3}},
	}}
	c := draw(t, s).Certificate()
	require.Equal(t, 3, c.Size)
	require.Len(t, c.Margins, 2)
	require.Equal(t, "a", c.Margins[0].Name)
	require.Equal(t, 2, c.Margins[0].Categories)
	require.InDelta(t, 1./6, c.Margins[0].TotalVariation, 1e-12, "drawn 2/3 and 1/3, asked 1/2 and 1/2")
	require.InDelta(t, 0, c.Margins[1].TotalVariation, 1e-12)
	require.Equal(t, 3, c.Distinct, "the second distribution tells all apart")
	require.Zero(t, c.Duplicates)

	s.Distributions = s.Distributions[:1]
	s.Size = 10
	c = draw(t, s).Certificate()
	require.Equal(t, 10, c.Checked)
	require.Equal(t, 2, c.Distinct)
	require.Equal(t, 8, c.Duplicates)

	s.Size = maxChecked + 1
	require.Equal(t, maxChecked, draw(t, s).Certificate().Checked)
}

func TestBackgroundsAreDiverse(t *testing.T) {
	for seed := range uint64(20) {
		s := Spec{Size: 1000, Seed: seed, Generator: GeneratorTemplate}
		require.GreaterOrEqual(t, draw(t, s).Certificate().Distinct, 990)
	}
	require.GreaterOrEqual(t, draw(t, people(1000)).Certificate().Distinct, 990)
}
