package bench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/myriad-sim/myriad/examples"
	"github.com/myriad-sim/myriad/internal/report"
)

// scenarioFile is the name that the scenario of all measurements gets.
const scenarioFile = "million.yaml"

// Models that play instead of the scenario's own.
const (
	zeroModel   = "player=dummy:0s"
	levelkModel = "player=levelk:1.5"
)

// Rounds of the measurements that have several.
const (
	levelkRounds = 5
	// With a model that answers at once a round may be over in milliseconds, so that many are played: as many as make
	// zeroAnswers, but neither fewer nor more than these.
	zeroAnswers   = 2_000_000
	zeroRoundsMin = 2
	zeroRoundsMax = 20
)

// oneRound is `myriad run` as it is: one round, a model that takes its time.
func (l *lab) oneRound(ctx context.Context, j job) (Figures, error) {
	return l.simulate(ctx, j.agents, 1, "--model", l.sleeper())
}

// sleeper is the model of the scenario, with the latency of this benchmark.
func (l *lab) sleeper() string { return "player=dummy:" + l.latency.String() }

// zero is `myriad run` with a model that answers at once: what is left is Myriad's own cost.
func (l *lab) zero(ctx context.Context, j job) (Figures, error) {
	rounds := min(max(zeroAnswers/j.agents, zeroRoundsMin), zeroRoundsMax)
	return l.simulate(ctx, j.agents, rounds, "--model", zeroModel, "--format", "parquet")
}

// levelk is a study as people make it: several rounds of players that reason, and all results at the end.
func (l *lab) levelk(ctx context.Context, j job) (Figures, error) {
	return l.simulate(ctx, j.agents, levelkRounds, "--model", levelkModel, "--format", "parquet")
}

// simulate plays the scenario with `myriad run`, results and all.
func (l *lab) simulate(ctx context.Context, agents, rounds int, more ...string) (Figures, error) {
	return l.within(func(dir string) (Figures, error) {
		if err := os.WriteFile(filepath.Join(dir, scenarioFile), examples.Million, 0o600); err != nil {
			return nil, fmt.Errorf("bench: %w", err)
		}
		args := append([]string{
			"run", scenarioFile, "--agents", strconv.Itoa(agents), "--rounds", strconv.Itoa(rounds),
			"--data", "data", "--out", "out", "--json",
		}, more...)
		var sum report.Summary
		took, err := run(ctx, dir, &sum, l.program, args...)
		if err != nil {
			return nil, err
		}
		return took, took.add(sum)
	})
}

// add takes the times from the summary of a run, which must be sound.
func (f Figures) add(sum report.Summary) error {
	if sum.State != "finished" || sum.Receipt.Lost > 0 || len(sum.Rounds) == 0 {
		return fmt.Errorf("%w: it is %s (%s) after %d rounds, with %d answers lost", ErrLost, sum.State, sum.StopReason, len(sum.Rounds), sum.Receipt.Lost)
	}
	f[Seconds], f[Ready], f[Rounds] = 0, sum.ReadySeconds, float64(len(sum.Rounds))
	for _, r := range sum.Rounds {
		f[Seconds] += r.Seconds
	}
	playing := sum.Seconds - sum.ReadySeconds
	f[RoundRate] = float64(len(sum.Rounds)) / playing
	f[AgentRate] = float64(sum.Agents*len(sum.Rounds)) / playing
	return nil
}
