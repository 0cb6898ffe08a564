package llmproxy

import (
	"fmt"
	"math"

	"github.com/myriad-sim/myriad/internal/llm"
)

// maxTau keeps e^-tau and the tables small; people have a tau of one or two.
const maxTau = 100

// game is a guess-average game in one round: report the number closest to offset + p times the average.
type game struct {
	p, offset float64
	low, high float64
	reference float64 // what level 0 thinks around: last round's mean, at first the middle
	half      float64 // level 0 is uniform on reference ± half, the widest such interval inside [low, high]
}

func newGame(g *llm.GameFacts) (game, error) {
	const kind = "guess-average"
	if g.Kind != kind {
		return game{}, fmt.Errorf("%w: a levelk player plays %s, not %q", errFacts, kind, g.Kind)
	}
	for name, v := range map[string]float64{"p": g.P, "offset": g.Offset, "low": g.Low, "high": g.High} {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return game{}, fmt.Errorf("%w: game.%s is not a finite number", errFacts, name)
		}
	}
	if g.Low > g.High {
		return game{}, fmt.Errorf("%w: the game has no number from %v to %v", errFacts, g.Low, g.High)
	}
	out := game{p: g.P, offset: g.Offset, low: g.Low, high: g.High, reference: g.Low + (g.High-g.Low)/2}
	if g.HasPrevious {
		if math.IsNaN(g.PreviousMean) {
			return game{}, fmt.Errorf("%w: the previous mean is not a number", errFacts)
		}
		out.reference = out.clamp(g.PreviousMean)
	}
	out.half = min(out.reference-out.low, out.high-out.reference)
	return out, nil
}

func (g game) clamp(v float64) float64 { return min(max(v, g.low), g.high) }

// zero is the number of a level-0 player with draw u in [0, 1).
func (g game) zero(u float64) float64 { return g.clamp(g.reference + g.half*(2*u-1)) }

// table has what all players with one tau share in a round.
type table struct {
	levels []float64 // levels[k]: share of players of level k or lower
	means  []float64 // means[k]: mean number of level k; for k > 0 the number itself
	texts  [][]byte  // texts[k]: that number as it is answered
}

// newTable computes the levels that matter: beyond them less than a draw's resolution of the players is left.
func newTable(g game, tau float64) (*table, error) {
	if !(tau >= 0 && tau <= maxTau) {
		return nil, fmt.Errorf("tau is %v, it must be from 0 to %d", tau, maxTau)
	}
	weight := math.Exp(-tau)
	t := &table{levels: []float64{weight}, means: []float64{g.reference}, texts: [][]byte{nil}}
	sum, weighted := weight, weight*g.reference
	for k := 1; weight > 0 && (float64(k) <= tau || weight > 1e-18); k++ {
		mean := g.clamp(g.offset + g.p*(weighted/sum))
		weight *= tau / float64(k)
		sum += weight
		weighted += weight * mean
		t.levels = append(t.levels, sum)
		t.means = append(t.means, mean)
		t.texts = append(t.texts, appendNumber(nil, mean, g.low, g.high))
	}
	return t, nil
}

// level is the level of a player with draw u in [0, 1).
func (t *table) level(u float64) int {
	for k, share := range t.levels {
		if u < share {
			return k
		}
	}
	return len(t.levels) - 1
}
