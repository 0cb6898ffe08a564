package runlog

import (
	"time"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Phase is where a run stands between rounds.
type Phase uint8

// Phases, in order of a round.
const (
	PhaseNone      Phase = iota // no created record yet
	PhaseCreated                // waits for its population
	PhaseReady                  // waits for the next round to open, or for the end
	PhaseOpen                   // a round is open: agents answer
	PhaseClosed                 // the round is closed: the environment folds
	PhaseFinished               // over, by itself
	PhaseCancelled              // over, by request
	PhaseFailed                 // over, by an error
)

// Over reports whether nothing more will happen in the run.
func (p Phase) Over() bool { return p >= PhaseFinished }

// Grant is the ownership of one shard.
type Grant struct {
	Host        string
	Incarnation string
	Epoch       uint64
}

// Fault is something that went wrong in a run and that it went on after.
type Fault struct {
	At    time.Time
	Until time.Time // zero: not known, or of no length
	Who   string    // the part that failed; "": the run log itself
	What  string
}

// State is what control records say of a run. Its maps and slices belong to the fold and are not to be changed.
type State struct {
	Run        string
	Phase      Phase
	Paused     bool
	Waiting    bool    // paused until a server of a model is back; never where somebody asked for the pause
	ShortIn    Opening // the opening of a round of which too few answers were valid, so that the run was paused
	Reason     string  // of the last pause, resumption, cancellation, failure or end
	Created    Created
	CreatedAt  time.Time
	EndedAt    time.Time
	Population string // content address; "" until populated
	Scenario   *scenario.Scenario
	Past       []Past // of a fork: who played the rounds it has inherited, in order; what is counted below is not theirs

	Seq      uint64  // of the last record applied
	CtlSeq   uint64  // of the last control record: what the next one must expect
	Caps     *Caps   // what may be spent; nil: as much as it takes
	CapsSeq  uint64  // of the record that Caps are from: newer ones have a higher one; 0: there are none
	Epoch    uint64  // of the last lease
	Grants   []Grant // by shard; Epoch 0: never leased
	Round    int     // last opened; 0 before the first
	Opened   Opened  // of the last opened round
	OpenedAt time.Time
	ClosedAt time.Time
	Chain    []byte // result hash up to the last closed round
	World    map[string]float64
	Previous map[string]float64 // the world one round before World
	Rounds   []RoundResult      // closed rounds, in order, those inherited first
	Hash     []byte             // result hash of a finished run

	Expected   uint64  // answers that closed rounds must have
	Accepted   uint64  // answers they have
	Asked      uint64  // questions asked of agents, repeats included: in closed rounds, or by now where the fold has all answers
	Duplicates uint64  // answers dropped: of another round or epoch, or not the first; counted like Asked
	Takeovers  int     // shards that changed their host after a round had been opened, because it was gone
	Moves      int     // shards that changed it as planned: their host was drained, or another had fewer
	LostHosts  int     // hosts they were taken from
	Faults     []Fault // the first 100, lost hosts among them
	FaultCount int     // all of them but lost hosts; of damaged records those in closed rounds, or by now where the fold has all answers
}

// Opening names one opening of a round.
type Opening struct{ Round, Attempt int }

// Opening is the present one.
func (s *State) Opening() Opening { return Opening{s.Round, s.Opened.Attempt} }

// Status is the word users see: created, running, paused, finished, failed or cancelled.
func (s *State) Status() string {
	switch {
	case s.Phase == PhaseFinished:
		return "finished"
	case s.Phase == PhaseCancelled:
		return "cancelled"
	case s.Phase == PhaseFailed:
		return "failed"
	case s.Paused:
		return "paused"
	case s.Round == s.Inherited():
		return "created"
	}
	return "running"
}

// Shards is the number of shards of the run.
func (s *State) Shards() int {
	if s.Created.ShardSize == 0 {
		return 0
	}
	return (s.Created.Agents + s.Created.ShardSize - 1) / s.Created.ShardSize
}

// ShardAgents returns the agents of a shard: first included, end not.
func (s *State) ShardAgents(shard int) (first, end int) {
	first = shard * s.Created.ShardSize
	return first, min(first+s.Created.ShardSize, s.Created.Agents)
}

// LastRound reports whether the scenario plays no round after the present one.
func (s *State) LastRound() bool { return s.Round >= s.Scenario.Rounds }
