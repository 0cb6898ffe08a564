package expression

import "math"

func vars(kv ...string) Vars {
	out := Vars{}
	for i := 0; i < len(kv); i += 2 {
		v, err := ParseValue(kv[i+1])
		if err != nil {
			panic(err)
		}
		out[kv[i]] = v
	}
	return out
}

func testScope() Scope {
	return Scope{
		Vars:      vars("ratio", "2/3", "low", "0", "high", "100", "label", "beauty", "feedback", "true"),
		World:     []string{"target", "höhe"},
		Persona:   []string{"education", "age", "high school"},
		Questions: map[string]string{"guess": "number", "mood": "likert", "colour": "choice", "why": "text"},
		Choices:   map[string][]string{"colour": {"red", "green"}},
	}
}

// fakeColumn answers with its own numbers; an empty one has no valid answers.
type fakeColumn []float64

func (c fakeColumn) Sum() (float64, bool) {
	s := 0.0
	for _, v := range c {
		s += v
	}
	return s, len(c) > 0
}
func (c fakeColumn) Mean() (float64, bool) {
	s, ok := c.Sum()
	return s / float64(len(c)), ok
}
func (c fakeColumn) Count() int { return len(c) }
func (c fakeColumn) MinMax() (float64, float64, bool) {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, v := range c {
		lo, hi = min(lo, v), max(hi, v)
	}
	return lo, hi, len(c) > 0
}
func (c fakeColumn) Std() (float64, bool)               { return 7, len(c) > 1 }
func (c fakeColumn) Median() (float64, bool)            { return 8, len(c) > 0 }
func (c fakeColumn) Quantile(p float64) (float64, bool) { return 100 * p, len(c) > 0 }
func (c fakeColumn) Share(index int) (float64, bool) {
	n := 0
	for _, v := range c {
		if int(v) == index {
			n++
		}
	}
	return float64(n) / float64(len(c)), len(c) > 0
}

func testEnv() Env {
	return Env{
		Vars: testScope().Vars, World: map[string]float64{"target": 20}, Previous: map[string]float64{"target": 30},
		Round: 3, Size: 4,
		Answers: map[string]Column{
			"guess": fakeColumn{10, 20, 30, 40}, "mood": fakeColumn{}, "colour": fakeColumn{0, 1, 1, 1}, "why": fakeColumn{0},
		},
		Persona: map[string]string{"education": "Ph.D.", "age": "34", "high school": "no"},
		Self:    map[string]float64{"guess": 12.5, "number": 7},
	}
}
