package report_test

import (
	"math/rand/v2"
	"time"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/stats"
)

var started = time.Date(2025, 3, 1, 9, 30, 0, 0, time.UTC)

func base(agents int) report.Summary {
	end := started.Add(3 * time.Second)
	return report.Summary{
		Run: "r7f3k2", Scenario: "guess-two-thirds", Seed: 7, ResultHash: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		Version: report.Version, State: "finished", StopReason: "all rounds were played", Agents: agents, Started: started, Finished: &end, Seconds: 3.1, ReadySeconds: 0.25,
	}
}

// column draws n numbers of mean around m, clamped to [0, 100].
func numbers(r *rand.Rand, n int, m float64) *stats.Column {
	c := &stats.Column{Decimals: 2}
	for range n {
		x := max(0, min(100, m+r.NormFloat64()*m/2.2))
		if r.IntN(6) == 0 {
			x = float64(int(m))
		}
		v, err := stats.Canonical(x, 2)
		if err != nil {
			v = 0
		}
		c.Status, c.Values = append(c.Status, stats.Answered), append(c.Values, v)
	}
	return c
}

// guess is a run of the guessing game.
func guess(agents, rounds int) report.Data {
	d := report.Data{Summary: base(agents), File: "examples/guess-two-thirds.yaml", Source: "version: 1\nname: guess-two-thirds\nseed: 7\nrounds: 5\nvars: {ratio: 2/3, low: 0, high: 100}\n", Reproduce: "myriad run examples/guess-two-thirds.yaml --seed 7"}
	d.Summary.Questions = []report.Question{{ID: "guess", Type: report.TypeNumber, Decimals: 2, Ask: "What do you report from {{.vars.low}} to {{.vars.high}}?"}}
	d.Summary.Models = []report.Model{{Name: "player", Provider: "levelk", Behavioural: true, Note: "Level-k players with Poisson levels, tau 1.5.", Agents: agents}}
	r := rand.New(rand.NewPCG(1, 2))
	mean := 33.5
	for i := range rounds {
		c := numbers(r, agents, mean)
		if i == 1 {
			c.Status[3], c.Status[4], c.Status[5] = stats.Repaired, stats.Missing, stats.Extracted
		}
		s := c.Summarise()
		o := report.NewOutcome(s)
		target := s.Mean * 2 / 3
		won := c.Winners(target, 0.5)
		o.Target, o.Nearest, o.NearestAgents, o.Within = &target, &won.Nearest, won.Agents, &won.Within
		d.Summary.Rounds = append(d.Summary.Rounds, report.Round{
			Round: i + 1, Seconds: 0.412 + float64(i)/10, Calls: agents, TokensIn: 182 * agents, TokensOut: 9 * agents,
			World: map[string]float64{"target": target}, Questions: map[string]report.Outcome{"guess": o},
		})
		d.Histograms = append(d.Histograms, map[string]report.Histogram{"guess": {Lo: 0, Hi: 100, Counts: c.Histogram(50, 0, 100)}})
		mean = target
	}
	d.Personas = []report.Persona{
		{Name: "education", Categories: []report.Category{{Name: "high school", Count: agents / 2}, {Name: "Ph.D.", Count: agents - agents/2}}},
		{Name: "background"},
	}
	return d
}

// survey is a run with choices, points and texts.
func survey(agents, rounds int) report.Data {
	d := guess(agents, rounds)
	d.Summary.Scenario = "stag-hunt-survey"
	d.Summary.Models = []report.Model{
		{Name: "qwen", Provider: "openai", Note: "Qwen/Qwen2-7B-Instruct at temperature 1.", Agents: agents * 3 / 4},
		{Name: "baseline", Provider: "scripted", Behavioural: true, Agents: agents - agents*3/4},
	}
	d.Summary.Questions = append(d.Summary.Questions,
		report.Question{ID: "move", Type: report.TypeChoice, Choices: []string{"stag", "hare", "neither of the two"}, Ask: "Which do you hunt?"},
		report.Question{ID: "trust", Type: report.TypeLikert, Points: 5, Ask: "How far do you trust the others?"},
		report.Question{ID: "why", Type: report.TypeText, Ask: "Why?"},
	)
	for i := range d.Summary.Rounds {
		q := d.Summary.Rounds[i].Questions
		stag := agents * (60 + 5*i) / 100
		q["move"] = report.Outcome{Answers: agents, Valid: agents, Counts: []int{stag, agents - stag - 3, 3}}
		c := &stats.Column{}
		r := rand.New(rand.NewPCG(uint64(i), 5))
		counts := make([]int, 5)
		for range agents {
			v := min(5, 1+r.IntN(4)+r.IntN(2)*(i+1)/3)
			counts[v-1]++
			c.Status, c.Values = append(c.Status, stats.Answered), append(c.Values, int64(v))
		}
		o := report.NewOutcome(c.Summarise())
		o.Counts = counts
		q["trust"] = o
		q["why"] = report.Outcome{Answers: agents, Valid: agents - 2, Refused: 2}
		d.Summary.Rounds[i].Retries = 3 * i
	}
	return d
}
