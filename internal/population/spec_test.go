package population

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

func TestBadSpecsAreRefused(t *testing.T) {
	dist := func(d Dist) func(*Spec) { return func(s *Spec) { s.Distributions[5] = d } }
	wide := func(n int) Dist {
		d := Dist{Name: "wide", Categories: make([]string, n), Proportions: make([]float64, n)}
		for i := range d.Categories {
			d.Categories[i] = strings.Repeat("c", 1+i%7) + string(rune('一'+i%20000)) + string(rune('一'+i/20000))
		}
		d.Proportions[0] = 1
		return d
	}
	for name, c := range map[string]struct {
		change func(*Spec)
		says   string
	}{
		"nobody":             {func(s *Spec) { s.Size = 0 }, "size is 0"},
		"negative":           {func(s *Spec) { s.Size = -1 }, "size is -1"},
		"too many":           {func(s *Spec) { s.Size = MaxSize + 1 }, "100000001"},
		"generator":          {func(s *Spec) { s.Generator = "llm" }, `"llm" is unknown`},
		"sum low":            {dist(Dist{"a", []string{"x", "y"}, []float64{0.5, 0.25}}), "sum to 0.75"},
		"sum high":           {dist(Dist{"a", []string{"x", "y"}, []float64{0.5, 0.500000002}}), "sum to 1.000000002"},
		"NaN":                {dist(Dist{"a", []string{"x", "y"}, []float64{1, math.NaN()}}), `"y" is NaN`},
		"infinite":           {dist(Dist{"a", []string{"x", "y"}, []float64{math.Inf(1), 0}}), `"x" is +Inf`},
		"negative share":     {dist(Dist{"a", []string{"x", "y"}, []float64{1.5, -0.5}}), `"x" is 1.5`},
		"no categories":      {dist(Dist{Name: "a"}), "no categories"},
		"lengths":            {dist(Dist{"a", []string{"x", "y"}, []float64{1}}), "2 categories but 1 proportions"},
		"category twice":     {dist(Dist{"a", []string{"x", "x"}, []float64{0.5, 0.5}}), `two categories are called "x"`},
		"empty category":     {dist(Dist{"a", []string{""}, []float64{1}}), "category 1: the name is empty"},
		"empty name":         {dist(Dist{"", []string{"x"}, []float64{1}}), "the name is empty"},
		"long name":          {dist(Dist{strings.Repeat("n", 257), []string{"x"}, []float64{1}}), "257 bytes"},
		"not UTF-8":          {dist(Dist{"a\xff", []string{"x"}, []float64{1}}), "not UTF-8"},
		"category not UTF-8": {dist(Dist{"a", []string{"\xff"}, []float64{1}}), "not UTF-8"},
		"reserved name":      {dist(Dist{"name", []string{"x"}, []float64{1}}), "reserved"},
		"reserved text":      {dist(Dist{"background", []string{"x"}, []float64{1}}), "reserved"},
		"name twice":         {dist(Dist{"age", []string{"x"}, []float64{1}}), `two distributions are called "age"`},
		"many categories":    {dist(wide(MaxCategories + 1)), "65536 categories"},
		"much text":          {dist(wide(MaxCategories)), "bytes, at most 262144"},
		"many distributions": {func(s *Spec) { s.Distributions = make([]Dist, MaxDistributions+1) }, "257 distributions"},
		"large columns": {func(s *Spec) {
			s.Size = MaxSize
			for i := range 20 {
				s.Distributions = append(s.Distributions, Dist{strings.Repeat("x", 1+i), []string{"x"}, []float64{1}})
			}
		}, "bytes, at most 2147483648"},
	} {
		t.Run(name, func(t *testing.T) {
			s := people(10)
			c.change(&s)
			err := s.Validate()
			require.ErrorIs(t, err, ErrSpec)
			require.ErrorContains(t, err, c.says)
			_, err = Draw(bg, s, nil)
			require.ErrorIs(t, err, ErrSpec)
		})
	}
}

func TestProportionsMayBeRounded(t *testing.T) {
	s := Spec{Size: 3, Distributions: []Dist{{"a", []string{"x", "y", "z"}, []float64{0.333333333, 0.333333333, 0.333333333}}}}
	require.NoError(t, s.Validate())
	require.Equal(t, []int{1, 1, 1}, tallyOf(draw(t, s), 0))
}

func TestHashTellsSpecsApart(t *testing.T) {
	seen := map[string]string{people(10).Hash(): "unchanged"}
	for name, change := range map[string]func(*Spec){
		"size":       func(s *Spec) { s.Size++ },
		"seed":       func(s *Spec) { s.Seed++ },
		"generator":  func(s *Spec) { s.Generator = GeneratorNone },
		"name":       func(s *Spec) { s.Distributions[0].Name = "ages" },
		"category":   func(s *Spec) { s.Distributions[0].Categories[0] = "18-25" },
		"proportion": func(s *Spec) { s.Distributions[1].Proportions = []float64{0.49, 0.5, 0.01} },
		"order":      func(s *Spec) { s.Distributions[0], s.Distributions[1] = s.Distributions[1], s.Distributions[0] },
		"fewer":      func(s *Spec) { s.Distributions = s.Distributions[:5] },
		"none":       func(s *Spec) { s.Distributions = nil },
		"boundary": func(s *Spec) {
			s.Distributions[3].Categories[0], s.Distributions[3].Categories[1] = "nursee", "ngineer"
		},
	} {
		s := people(10)
		change(&s)
		hash := s.Hash()
		require.Len(t, hash, 64)
		require.NotContains(t, seen, hash, name)
		seen[hash] = name
	}
}

func TestHashIgnoresSpelling(t *testing.T) {
	s := Spec{Size: 3, Generator: "", Distributions: []Dist{{"a", []string{"x", "y"}, []float64{1, 0}}}}
	same := Spec{Size: 3, Generator: GeneratorNone, Distributions: []Dist{{"a", []string{"x", "y"}, []float64{1, math.Copysign(0, -1)}}}}
	require.Equal(t, s.Hash(), same.Hash())
}

func TestFromScenario(t *testing.T) {
	s := FromScenario(&scenario.Scenario{Seed: 9, Population: scenario.Population{
		Size: 5, Generator: "template", Distributions: []scenario.Distribution{
			{Name: "a", Categories: []scenario.Category{{Name: "x", Proportion: 0.25}, {Name: "y", Proportion: 0.75}}},
		},
	}})
	require.Equal(t, Spec{Size: 5, Seed: 9, Generator: GeneratorTemplate, Distributions: []Dist{
		{"a", []string{"x", "y"}, []float64{0.25, 0.75}},
	}}, s)
	require.NoError(t, s.Validate())
}
