package llmproxy

import (
	"math"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// oracle is the first-round mean of infinitely many players on [low, high], by the definition and without the tables:
// Poisson shares from the gamma function, every level's mean summed anew.
func oracle(tau, p, offset, low, high, reference float64) float64 {
	const levels = 60
	share := func(k int) float64 {
		lg, _ := math.Lgamma(float64(k + 1))
		return math.Exp(float64(k)*math.Log(tau) - tau - lg)
	}
	mean := [levels]float64{reference}
	for k := 1; k < levels; k++ {
		var of, sum float64
		for j := range k {
			of += share(j) * mean[j]
			sum += share(j)
		}
		mean[k] = math.Max(low, math.Min(high, offset+p*of/sum))
	}
	all := 0.0
	for k := range levels {
		all += share(k) * mean[k]
	}
	return all
}

// round plays one round and returns every agent's number.
func round(t testing.TB, agents, number int, seed uint64, g llm.GameFacts, tau string) []float64 {
	t.Helper()
	f := &llm.Facts{Seed: seed, Round: number, Question: "guess", Type: scenario.TypeNumber, Game: &g}
	pl, err := levelkProvider{}.prepare(&scenario.Model{Name: "player", Provider: "levelk", Tau: tau}, f, llm.PurposeAnswer)
	require.NoError(t, err)
	out := make([]float64, agents)
	var buf []byte
	for i := range out {
		buf, err = pl.(local).answer(buf[:0], llm.Ask{Agent: uint64(i)}, llm.Body{})
		if err == nil {
			out[i], err = strconv.ParseFloat(string(buf), 64)
		}
		if err != nil {
			require.NoError(t, err)
		}
		if out[i] < g.Low || out[i] > g.High {
			require.Fail(t, "out of range", "%v", out[i])
		}
	}
	return out
}

func guessAverage(p, offset float64) llm.GameFacts {
	return llm.GameFacts{Kind: "guess-average", P: p, Offset: offset, Low: 0, High: 100}
}

func TestLevelKFirstRound(t *testing.T) {
	for _, c := range []struct{ p, known float64 }{{1. / 2, 26.67}, {2. / 3, 33.50}, {4. / 3, 70.71}} {
		want := oracle(1.5, c.p, 0, 0, 100, 50)
		require.InDelta(t, want, c.known, 0.005, "p=%v", c.p)
		mean, se := moments(round(t, 100_000, 1, 7, guessAverage(c.p, 0), "1.5"))
		require.InDelta(t, want, mean, 3*se, "p=%v", c.p)
	}
}

// The mean falls by the factor 0.67 a round. Players keep their level and hear the sample's own mean, so what a sample
// deviates in round 1 it deviates again in every round, and the deviations add up: after t rounds up to t times the
// standard error of one round. Seed 7 stays within three standard errors of a single round throughout.
func TestLevelKTwoThirdsFallsByTheSameFactorEachRound(t *testing.T) {
	for seed := range uint64(8) {
		agents, grows := 10_000, 1.0
		if seed == 7 {
			agents, grows = 100_000, 0
		}
		g := guessAverage(2./3, 0)
		for number := 1; number <= 6; number++ {
			mean, se := moments(round(t, agents, number, seed, g, "1.5"))
			require.InDelta(t, 50*math.Pow(0.67, float64(number)), mean, 3*se*max(1, grows*float64(number)), "seed %d round %d", seed, number)
			if g.HasPrevious {
				require.InDelta(t, oracle(1.5, 2./3, 0, 0, 100, g.PreviousMean), mean, 3*se, "seed %d round %d", seed, number)
			}
			g.PreviousMean, g.HasPrevious = mean, true
		}
	}
}

func TestLevelKFourThirdsRises(t *testing.T) {
	g, last := guessAverage(4./3, 0), 50.0
	for number := 1; number <= 6; number++ {
		mean, _ := moments(round(t, 10_000, number, 7, g, "1.5"))
		require.Greater(t, mean, last)
		g.PreviousMean, g.HasPrevious, last = mean, true, mean
	}
	require.Greater(t, last, 90.0)
}

func TestLevelKConvergesToTheFixedPoint(t *testing.T) {
	g, mean := guessAverage(1./2, 5), 0.0
	for number := 1; number <= 25; number++ {
		mean, _ = moments(round(t, 4000, number, 7, g, "1.5"))
		g.PreviousMean, g.HasPrevious = mean, true
	}
	require.InDelta(t, 10, mean, 0.1)
}

func TestLevelKTableAgreesWithTheOracle(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tau := rapid.Float64Range(0.01, 8).Draw(t, "tau")
		p, offset := rapid.Float64Range(0, 2).Draw(t, "p"), rapid.Float64Range(-20, 20).Draw(t, "offset")
		low := rapid.Float64Range(-50, 50).Draw(t, "low")
		high := low + rapid.Float64Range(0, 100).Draw(t, "width")
		reference := low + (high-low)*rapid.Float64Range(0, 1).Draw(t, "reference")
		g, err := newGame(&llm.GameFacts{Kind: "guess-average", P: p, Offset: offset, Low: low, High: high, PreviousMean: reference, HasPrevious: true})
		require.NoError(t, err)
		tab, err := newTable(g, tau)
		require.NoError(t, err)
		sum, before := 0.0, 0.0
		for k, share := range tab.levels {
			sum += (share - before) * tab.means[k]
			before = share
		}
		require.InDelta(t, oracle(tau, p, offset, low, high, g.reference), sum, 1e-6)
		require.InDelta(t, 1, before, 1e-9)
		require.True(t, g.zero(0) >= low && g.zero(1) <= high)
	})
}

// Level 0 is uniform on the widest interval around the reference, and the level of an agent never changes.
func TestLevelKLevelZeroIsCentred(t *testing.T) {
	g := guessAverage(2./3, 0)
	g.PreviousMean, g.HasPrevious = 80, true
	list := round(t, 20_000, 2, 7, g, "0")
	mean, se := moments(list)
	require.InDelta(t, 80, mean, 3*se)
	for _, v := range list {
		require.True(t, v >= 60 && v <= 100)
	}
	require.NotEqual(t, list, round(t, 20_000, 3, 7, g, "0"), "level 0 draws anew each round")
}

func TestLevelKKeepsItsLevel(t *testing.T) {
	g := guessAverage(0.5, 0)
	g.PreviousMean, g.HasPrevious = 50, true // the same game as in round 1
	first, later := round(t, 2000, 1, 7, guessAverage(0.5, 0), "1.5"), round(t, 2000, 9, 7, g, "1.5")
	kept := 0
	for i := range first {
		if first[i] == later[i] {
			kept++
		}
	}
	require.InDelta(t, 1-math.Exp(-1.5), float64(kept)/2000, 0.04, "all but level 0 repeat themselves")
}

func TestLevelKIsKeyedBySeed(t *testing.T) {
	a := round(t, 100, 1, 7, guessAverage(0.5, 0), "1.5")
	require.Equal(t, a, round(t, 100, 1, 7, guessAverage(0.5, 0), "1.5"))
	require.NotEqual(t, a, round(t, 100, 1, 8, guessAverage(0.5, 0), "1.5"))
}

func TestLevelKTauFromPersona(t *testing.T) {
	s := start(t, fast(t))
	m := scenario.Model{Name: "player", Provider: "levelk", Tau: `persona.education == "high" ? vars.sharp : 0`}
	f := numberFacts(0, 100)
	g := guessAverage(0.5, 0)
	f.Game, f.Vars = &g, map[string]string{"sharp": "20"}
	req := request(t, m, f, 400)
	for i := range req.Calls {
		req.Calls[i].Persona = map[string]string{"education": "none"}
		if i%2 == 0 {
			req.Calls[i].Persona = map[string]string{"education": "high"}
		}
	}
	req.Calls[399].Persona = nil
	got := s.ask(t, req)
	require.Contains(t, got.errs[399], "persona.education")
	var high, none []float64
	for i, text := range got.text[:398] {
		if i%2 == 0 {
			high = append(high, number(t, text))
		} else {
			none = append(none, number(t, text))
		}
	}
	h, _ := moments(high)
	n, _ := moments(none)
	require.Less(t, h, 5.0, "tau 20 reasons far")
	require.InDelta(t, 50, n, 8, "tau 0 does not reason")
}

func TestLevelKRefusesWhatItCannotPlay(t *testing.T) {
	s := start(t, fast(t))
	ok := guessAverage(0.5, 0)
	upside, beauty, wild := ok, ok, ok
	upside.Low, beauty.Kind, wild.P = 101, "beauty-contest", math.NaN()
	for why, c := range map[string]struct {
		game *llm.GameFacts
		tau  string
	}{
		"not that of a game": {nil, "1.5"}, "from 101 to 100": {&upside, "1.5"}, "beauty-contest": {&beauty, "1.5"},
		"game.p": {&wild, "1.5"}, "tau is -1": {&ok, "-1"}, "tau is 101": {&ok, "101"}, "vars.nix": {&ok, "vars.nix"},
	} {
		f := numberFacts(0, 100)
		f.Game = c.game
		got := s.ask(t, request(t, scenario.Model{Name: "player", Provider: "levelk", Tau: c.tau}, f, 1))
		require.Contains(t, got.refused, why)
	}
}

func TestLevelKInterviewSaysWhatItIs(t *testing.T) {
	s := start(t, fast(t))
	m := scenario.Model{Name: "player", Provider: "levelk", Tau: "1.5"}
	g := guessAverage(2./3, 0)
	f := numberFacts(0, 100)
	f.Game = &g
	answers := s.ask(t, request(t, m, f, 50))
	talk := request(t, m, f, 50)
	talk.Purpose = llm.PurposeInterview
	got := s.ask(t, talk)
	for i, text := range got.text {
		require.Contains(t, text, "behavioural player, not a language model")
		require.Contains(t, text, "would report now is "+answers.text[i]+".")
	}
	f.Game = nil
	talk = request(t, m, f, 1)
	talk.Purpose = llm.PurposeInterview
	require.Contains(t, s.ask(t, talk).text[0], "without a game")
	talk.Facts = nil
	require.Contains(t, s.ask(t, talk).text[0], "not told of the round")
}
