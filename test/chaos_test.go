package test

import (
	"encoding/hex"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// chaosSeeds, such as 1,5,9-12, are the seeds of TestChaos: `go tool task chaos`.
var chaosSeeds = flag.String("chaos", "", "seeds of the chaos test, such as 1,5,9-12; without them it is skipped")

const (
	chaosMoments = 30
	// recoverWithin is the promise: what was started again works again by then.
	recoverWithin = 5 * time.Second
	// chaosPatience bounds the whole of a disturbed run.
	chaosPatience = 3 * time.Minute
)

// chaosScenario is a run in which mistakes show. What one round makes of the world bounds the answers of the next; the keepers
// answer with what they answered before; the prompts hold the world, the agent's last answer and two rounds of memory, and
// their hashes are compared.
const chaosScenario = `
version: 1
name: chaos
seed: 11
rounds: 5
population:
  size: 20000
  distributions:
    - template: age
    - {name: side, categories: [{name: left, proportion: 2/5}, {name: right, proportion: 3/5}]}
models:
  sleeper: {provider: dummy, latency: 200ms}
  keeper:
    provider: scripted
    answers:
      place: 'round == 1 ? self.number / 200 : (self.place + 3 * world.middle) / 4 + world.turns / 10'
      trust: '(round == 1 ? 1 : self.trust % 5 + 1) + (persona.side == "left" ? 0 : 1)'
agents:
  sleepers: {model: sleeper, count: 18000, system: 'You are number {{.self.number}}, aged {{.persona.age}}, on the {{.persona.side}}.'}
  keepers: {model: keeper, count: 2000}
memory: {turns: 2}
turn:
  - id: place
    ask: 'Round {{.round}}. {{if gt .round 1}}The middle is {{.world.middle}}, you were at {{.self.last.place}}. {{end}}Where are you now?'
    answer: {type: number, min: 'round == 1 ? 0 : world.low', max: 'round == 1 ? 200 : world.high', decimals: 4, out_of_range: clamp}
  - id: trust
    ask: How much do you trust the others?
    answer: {type: likert, points: 7}
update:
  world:
    middle: mean(answers.place)
    low: min(answers.place) / 2 + mean(answers.trust)
    high: '(round == 1 ? 150 : world.high) + median(answers.place) / 10'
    turns: '(round == 1 ? 0 : world.turns) + 1'
`

// A run is disturbed at thirty random moments: one of its processes, sometimes two at once, is killed, and started again
// some time later. The run ends as if nothing had happened, and whatever came back works again within five seconds.
func TestChaos(t *testing.T) {
	seeds := parseSeeds(t, *chaosSeeds)
	if len(seeds) == 0 {
		t.Skip("give it seeds: go tool task chaos, or go test -run TestChaos ./test -chaos 1-2")
	}
	want := undisturbedChaos(t)
	for _, seed := range seeds {
		t.Run(strconv.FormatUint(seed, 10), func(t *testing.T) {
			c := startChaos(t)
			t.Cleanup(func() {
				if t.Failed() {
					t.Logf("seed %d; again: go tool task chaos SEEDS=%d\n%s", seed, seed, c.story.String())
				}
			})
			run := c.submit(t, control.Submission{Source: chaosScenario, File: "chaos.yaml"})
			watch := watchChaos(t, c, run)
			plan := rand.New(rand.NewPCG(seed, 0)) //nolint:gosec // not a secret
			kills := disturb(t, c, watch, plan)
			c.repair(t)
			require.Eventually(t, watch.over, chaosPatience, often, "the run does not end")
			watch.stop()

			st, err := runlog.ReadControl(t.Context(), c.js, run)
			require.NoError(t, err)
			require.Equal(t, "finished", st.Status(), st.Reason)
			require.Zero(t, results.Summary(st).Receipt.Lost)
			require.Equal(t, want.hash, hex.EncodeToString(st.Hash))
			require.Equal(t, want.hash, accounted(t, c.js, run))
			require.Equal(t, want.rows, fingerprint(t, c.system, st), "answers and what agents were asked")
			table, late := c.recoveries()
			t.Logf("seed %d: %d kills in %v; %s\n%s", seed, kills, time.Since(c.began).Round(time.Millisecond), receipt(st), table)
			require.Empty(t, late, "more than %v", recoverWithin)
		})
	}
}

// disturb kills processes of a run that is going, and starts them again, at chaosMoments moments. It returns how many
// it killed.
func disturb(t *testing.T, c *chaos, watch *chaosWatch, plan *rand.Rand) (kills int) {
	for range chaosMoments {
		// A third of the kills come when everything works again, the others into the middle of a recovery.
		calm, wait := plan.IntN(3) == 0, 50*time.Millisecond+time.Duration(plan.Int64N(int64(400*time.Millisecond)))
		victims := c.pick(plan)
		deadline := time.Now().Add(wait)
		require.Eventually(t, func() bool {
			c.restartDue(t)
			return time.Now().After(deadline) && (!calm || c.allWork()) && c.anyUp(victims)
		}, chaosPatience, often, "after %d kills", kills)
		require.False(t, watch.over(), "the run was over after %d kills", kills)
		for _, v := range victims {
			down := time.Duration(plan.Int64N(int64(time.Second)))
			if v.up() {
				v.kill(down)
				kills++
				c.say("%s killed, for %v", v.name, down.Round(time.Millisecond))
			}
		}
	}
	return kills
}

// undisturbed is what a run gives that nobody disturbs.
type undisturbed struct{ hash, rows string }

func undisturbedChaos(t *testing.T) undisturbed {
	t.Helper()
	sys := startSystem(t, nil)
	fast := scenario.Overrides{Set: map[string]string{"models.sleeper.latency": "0s"}}
	st := sys.play(t, control.Submission{Source: chaosScenario, File: "chaos.yaml", Overrides: fast})
	return undisturbed{hex.EncodeToString(st.Hash), fingerprint(t, sys, st)}
}

func receipt(st *runlog.State) string {
	r := results.Summary(st).Receipt
	return fmt.Sprintf("lost %d, duplicates %d, repeated %d, faults %d, takeovers %d, moves %d", r.Lost, r.Duplicates, r.RepeatedCalls, r.Faults, st.Takeovers, st.Moves)
}

// parseSeeds reads a list such as 1,5,9-12.
func parseSeeds(t testing.TB, list string) (seeds []uint64) {
	t.Helper()
	for part := range strings.SplitSeq(list, ",") {
		if part == "" {
			continue
		}
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.ParseUint(first, 10, 32)
		require.NoError(t, err)
		to, err := strconv.ParseUint(last, 10, 32)
		require.NoError(t, err)
		for s := from; s <= to; s++ {
			seeds = append(seeds, s)
		}
	}
	return slices.Compact(seeds)
}
