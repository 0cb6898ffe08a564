package runlog

import (
	"fmt"
	"slices"

	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// A fork is a run whose first rounds are those of another. Nothing is copied: all runs are in one stream, so the records
// of the other run, its parent, have lower sequences than those of the fork, and a fold that is given them first and then
// the fork's own comes to the state the fork goes on from. The chain of digests goes on as well, so a fork that changes
// nothing has the result hash of its parent. What a fork has asked, spent and lost counts from its own beginning.

// ForkOf says where a run branches off another: its rounds up to Round are those of Run, in the records up to Seq, which is
// that of the env.state of Round. With Round 0 it is a run of its own that only tells where its scenario is from.
type ForkOf struct {
	Run   string `msgpack:"run" json:"run"`
	Round int    `msgpack:"round" json:"round"`
	Seq   uint64 `msgpack:"seq" json:"seq"`
}

// Past is a part of a fork's history that another run played: the rounds up to ForkOf.Round that no earlier Past has.
type Past struct {
	ForkOf
	Scenario *scenario.Scenario // that they were played by
}

// RefusalError says why a run cannot be forked as it was asked for.
type RefusalError struct {
	Field  string // what would have to be another, such as at_round or population
	Reason string
}

// Error is the field and the reason.
func (e *RefusalError) Error() string { return e.Field + ": " + e.Reason }

// Inherited is the number of rounds that other runs have played: 0 unless the run is a fork.
func (s *State) Inherited() int {
	if n := len(s.Past); n > 0 {
		return s.Past[n-1].Round
	}
	return 0
}

// Own are the closed rounds that the run itself has played.
func (s *State) Own() []RoundResult { return s.Rounds[min(s.Inherited(), len(s.Rounds)):] }

// Of tells which run played a round, and by which scenario. Rounds of a fork that it has inherited are not its own.
func (s *State) Of(round int) (run string, sc *scenario.Scenario) {
	for i := range s.Past {
		if p := &s.Past[i]; round <= p.Round {
			return p.Run, p.Scenario
		}
	}
	return s.Run, s.Scenario
}

// ForkAt is where a fork of the run that begins after a round branches off: the run that played the round may be a parent
// of this one. Error: *RefusalError.
func (s *State) ForkAt(round int) (ForkOf, error) {
	switch {
	case round < 0:
		return ForkOf{}, &RefusalError{"at_round", fmt.Sprintf("%d is no round; 0 is the beginning", round)}
	case round == 0:
		return ForkOf{Run: s.Run}, nil
	case round > len(s.Rounds) || s.Rounds[round-1].Env == nil:
		done := len(s.Rounds)
		if done > 0 && s.Rounds[done-1].Env == nil {
			done--
		}
		return ForkOf{}, &RefusalError{"at_round", fmt.Sprintf("run %s has closed %d rounds, so it cannot be forked after round %d", s.Run, done, round)}
	}
	run, _ := s.Of(round)
	return ForkOf{Run: run, Round: round, Seq: s.Rounds[round-1].EnvSeq}, nil
}

// Fits reports whether a scenario can go on where the rounds of this run end: with the same agents in the same shards and
// the same questions, for its agents remember what they have answered. All else may differ. Error: *RefusalError.
func (s *State) Fits(next *scenario.Scenario, shardSize, afterRound int) error {
	refuse := func(field, format string, args ...any) error {
		return &RefusalError{field, fmt.Sprintf(format, args...)}
	}
	was, is := &s.Scenario.Population, &next.Population
	switch {
	case is.Size != was.Size:
		return refuse("agents", "run %s has %d agents, the fork would have %d; the agents of inherited rounds cannot be others", s.Run, was.Size, is.Size)
	case is.Generator != was.Generator || !slices.EqualFunc(is.Distributions, was.Distributions, sameAspect):
		return refuse("population", "the fork would draw other people than run %s has; the agents of inherited rounds cannot be others", s.Run)
	case shardSize != s.Created.ShardSize:
		return refuse("shard_size", "run %s has shards of %d agents, the fork cannot have shards of %d", s.Run, s.Created.ShardSize, shardSize)
	case next.Rounds < afterRound:
		return refuse("rounds", "the fork would play %d rounds and begins after round %d", next.Rounds, afterRound)
	case len(next.Turn) != len(s.Scenario.Turn):
		return refuse("turn", "run %s asks %d questions, the fork would ask %d", s.Run, len(s.Scenario.Turn), len(next.Turn))
	}
	for i := range next.Turn {
		was, is := &s.Scenario.Turn[i], &next.Turn[i]
		if is.ID != was.ID {
			return refuse("turn", "question %d of run %s is %s, in the fork it would be %s", i+1, s.Run, was.ID, is.ID)
		}
		if !sameAnswers(&was.Answer, &is.Answer) {
			return refuse("turn."+is.ID, "answers of the type in run %s could not be read as those of the fork", s.Run)
		}
	}
	return nil
}

func sameAspect(a, b scenario.Distribution) bool {
	return a.Name == b.Name && slices.Equal(a.Categories, b.Categories)
}

// sameAnswers reports whether answers to one question read as answers to the other. Bounds, retries and the like only
// matter to who is still to answer.
func sameAnswers(a, b *scenario.AnswerSpec) bool {
	return a.Type == b.Type && a.Decimals == b.Decimals && a.Points == b.Points && slices.Equal(a.Choices, b.Choices) &&
		string(a.Schema) == string(b.Schema) && a.Language == b.Language && slices.Equal(a.Tags, b.Tags)
}

// follows reports whether a record may come next: one of the run that the records are of now, or the first of a fork of it.
func (f *Fold) follows(at subjects.Log) bool {
	if f.of == "" {
		return at.Run == f.Run || at.Kind == subjects.KindCreated
	}
	return at.Run == f.of || f.of != f.Run && at.Kind == subjects.KindCreated
}

// branch goes on as a fork of the run that was folded up to here. What belongs to the inherited rounds stays.
func (f *Fold) branch(b Created, s *scenario.Scenario, e Entry) error {
	if have := (ForkOf{f.of, f.Round, f.CtlSeq}); f.Phase != PhaseReady || *b.Fork != have {
		return fmt.Errorf("%w: forked from run %s after round %d, which ends with record %d; the log has %s up to round %d, record %d",
			ErrDamaged, b.Fork.Run, b.Fork.Round, b.Fork.Seq, have.Run, have.Round, have.Seq)
	}
	if err := f.Fits(s, b.ShardSize, b.Fork.Round); err != nil {
		return fmt.Errorf("%w: forked from run %s: %w", ErrDamaged, f.of, err)
	}
	p := &f.State
	f.State = State{
		Run: p.Run, Phase: PhaseReady, Past: append(slices.Clip(p.Past), Past{*b.Fork, p.Scenario}), Population: p.Population,
		Seq: p.Seq, Round: p.Round, Opened: p.Opened, OpenedAt: p.OpenedAt, ClosedAt: p.ClosedAt, Chain: p.Chain,
		World: p.World, Previous: p.Previous, Rounds: p.Rounds,
	}
	f.gone, f.told, f.damaged = nil, Closed{}, 0
	f.begin(b, s, e)
	return nil
}
