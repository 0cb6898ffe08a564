package runlog

import (
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Control bodies are msgpack maps: they are few, and named fields are readable on the wire (`myriad decode`).

// Created is the first record of a run: all that its results are a function of, beside the answers.
type Created struct {
	Name      string             `msgpack:"name" json:"name"` // of the scenario
	File      string             `msgpack:"file" json:"file"` // where the source came from, for messages
	Source    []byte             `msgpack:"source" json:"-"`
	Overrides scenario.Overrides `msgpack:"overrides" json:"overrides"`
	Agents    int                `msgpack:"agents" json:"agents"`
	ShardSize int                `msgpack:"shard_size" json:"shard_size"`
	Fork      *ForkOf            `msgpack:"fork,omitempty" json:"fork,omitempty"` // nil: a run of its own
}

// MaxShards is the largest number of shards of a run: who owns each is in every fold's memory.
const MaxShards = 1 << 20

// check refuses what no fold would take.
func (c *Created) check() error {
	if c.Agents < 1 || c.ShardSize < 1 || (c.Agents-1)/c.ShardSize >= MaxShards {
		return fmt.Errorf("%w: %d agents in shards of %d, at most %d shards", ErrTooLarge, c.Agents, c.ShardSize, MaxShards)
	}
	return nil
}

// Populated says which stored population the run uses.
type Populated struct {
	Population string `msgpack:"population" json:"population"` // content address in subjects.StorePersonas
}

// Range is a block of consecutive shards, First included, End not. The ranges of a lease ascend and do not overlap.
type Range struct {
	First int `msgpack:"first" json:"first"`
	End   int `msgpack:"end" json:"end"`
}

// Lease gives a host the right to the shards of Ranges from this record on, under the epoch of the record's header.
type Lease struct {
	Host        string  `msgpack:"host" json:"host"`
	Incarnation string  `msgpack:"incarnation" json:"incarnation"`
	Ranges      []Range `msgpack:"ranges" json:"ranges"`
	Why         string  `msgpack:"why,omitempty" json:"why,omitempty"` // one of the Lease constants
}

// Why shards change their host.
const (
	LeaseLost    = ""        // nobody had them, or who had them is gone: a takeover
	LeaseDrain   = "drain"   // their host was asked to give them away
	LeaseBalance = "balance" // another host had fewer
)

// Opened opens a round. The world is what agents see in it.
type Opened struct {
	World    map[string]float64 `msgpack:"world" json:"world"`       // after the previous round
	Previous map[string]float64 `msgpack:"previous" json:"previous"` // one round earlier
	Means    map[string]float64 `msgpack:"means" json:"means"`       // mean of the previous round by question, where there is one
	Attempt  int                `msgpack:"attempt" json:"attempt"`   // 0, or how often the round was opened before
}

// Question is the outcome of one question of a round.
type Question struct {
	ID      string        `msgpack:"id" json:"id"`
	Summary stats.Summary `msgpack:"summary" json:"summary"`
	Lo      float64       `msgpack:"lo" json:"lo"` // histogram range
	Hi      float64       `msgpack:"hi" json:"hi"`
	Counts  []int         `msgpack:"counts" json:"counts"` // histogram; by choice or point for choice and likert
}

// Closed closes a round: the answers up to UptoSeq count, and Root is their digest.
type Closed struct {
	UptoSeq    uint64     `msgpack:"upto_seq" json:"upto_seq"`
	Root       []byte     `msgpack:"root" json:"root"`
	Chain      []byte     `msgpack:"chain" json:"chain"` // result hash up to and with this round
	Questions  []Question `msgpack:"questions" json:"questions"`
	Calls      uint64     `msgpack:"calls" json:"calls"`     // model calls behind the accepted answers
	Retries    uint64     `msgpack:"retries" json:"retries"` // transport retries among them
	TokensIn   uint64     `msgpack:"tokens_in" json:"tokens_in"`
	TokensOut  uint64     `msgpack:"tokens_out" json:"tokens_out"`
	Asked      uint64     `msgpack:"asked" json:"asked"`           // questions asked of agents, repeats included
	Accepted   uint64     `msgpack:"accepted" json:"accepted"`     // answers accepted
	Duplicates uint64     `msgpack:"duplicates" json:"duplicates"` // answers dropped
	// Shared are the accepted answers for which another agent's call was asked.
	Shared uint64 `msgpack:"shared,omitempty" json:"shared,omitempty"`
	// Damaged are records dropped because they cannot be read, or do not belong where they are.
	Damaged uint64 `msgpack:"damaged,omitempty" json:"damaged,omitempty"`
	// Counted is the last record that Asked, Duplicates and Damaged count, UptoSeq or a later one; they count those that came
	// after the Counted of the round before. 0: not known, the writer is of an earlier version.
	Counted uint64 `msgpack:"counted,omitempty" json:"counted,omitempty"`
}

// Winners of a round for one question.
type Winners struct {
	Target  float64 `msgpack:"target" json:"target"`
	Nearest int     `msgpack:"nearest" json:"nearest"` // how many answers tie for nearest
	Agents  []int   `msgpack:"agents" json:"agents"`   // the first of them, at most 10
	Within  int     `msgpack:"within" json:"within"`
}

// EnvState is the state of the world after a round: the checkpoint a fold may start from.
type EnvState struct {
	World   map[string]float64 `msgpack:"world" json:"world"`
	Winners map[string]Winners `msgpack:"winners" json:"winners"` // by question; empty where the scenario asks for none
	// Counted is that of the round's closed record. Who comes back to the run needs of what is before it only the control
	// records, and everything after it. 0: not known.
	Counted uint64 `msgpack:"counted,omitempty" json:"-"`
}

// Reason is the body of paused, resumed, cancelled, finished and failed.
type Reason struct {
	Reason string `msgpack:"reason" json:"reason"`
	Hash   []byte `msgpack:"hash,omitempty" json:"hash,omitempty"` // finished: the result hash
	// Shortfall: paused because too few answers of the open round are valid. Resumed, the run goes on in spite of it.
	Shortfall bool `msgpack:"shortfall,omitempty" json:"shortfall,omitempty"`
	// Trouble: paused because a service could not go on, not because anybody asked for it.
	Trouble bool `msgpack:"trouble,omitempty" json:"trouble,omitempty"`
	// Waiting: paused because all servers of a model are down. The coordinator resumes the run when one is back.
	Waiting bool `msgpack:"waiting,omitempty" json:"waiting,omitempty"`
	// Budget: paused because the budget is spent, which is no fault.
	Budget bool `msgpack:"budget,omitempty" json:"budget,omitempty"`
	// Caps: resumed with these caps in place of those before; nil: with the same ones.
	Caps *Caps `msgpack:"caps,omitempty" json:"caps,omitempty"`
}

// FaultNote is the body of fault: something that a service saw go wrong and that the run went on after. It changes nothing
// else.
type FaultNote struct {
	At    time.Time `msgpack:"at" json:"at"`       // when it began, by the clock of who saw it; zero: when the record was written
	Until time.Time `msgpack:"until" json:"until"` // when it was over; zero: not known
	Who   string    `msgpack:"who" json:"who"`     // the part that failed, such as "llmproxy"
	What  string    `msgpack:"what" json:"what"`   // in a sentence, for people
}

// Caps are what a run may spend, on all its models together and on each. A cap of 0 is none.
type Caps struct {
	Tokens uint64         `msgpack:"tokens" json:"tokens"`                     // in and out together
	Micros uint64         `msgpack:"micros" json:"micros"`                     // millionths of the unit of money of the price table
	Models map[string]Cap `msgpack:"models,omitempty" json:"models,omitempty"` // by name under the scenario's models:
}

// Cap is what may be spent on one model.
type Cap struct {
	Tokens uint64 `msgpack:"tokens" json:"tokens"`
	Micros uint64 `msgpack:"micros" json:"micros"`
}

// capsOf are those of a scenario's budget; nil where it has none.
func capsOf(b *scenario.Budget) *Caps {
	if b == nil {
		return nil
	}
	out := &Caps{Tokens: b.Tokens, Micros: b.Micros}
	for name, c := range b.Models {
		if out.Models == nil {
			out.Models = map[string]Cap{}
		}
		out.Models[name] = Cap(c)
	}
	return out
}

// RoundResult is all that control records say of a closed round.
type RoundResult struct {
	Round    int
	Attempt  int
	OpenedAt time.Time
	ClosedAt time.Time
	Closed   Closed
	Env      *EnvState // nil until the environment has folded the round
	EnvSeq   uint64    // of the record Env is from
}

// DecodeLease decodes a whole lease record. Errors: ErrVersion, ErrDamaged.
func DecodeLease(data []byte) (Lease, Header, error) {
	var l Lease
	h, body, err := Decode(data)
	if err == nil && h.Kind != subjects.KindLease {
		err = fmt.Errorf("%w: %s record where a lease was expected", ErrDamaged, h.Kind)
	}
	if err == nil {
		err = decodeBody(body, &l)
	}
	return l, h, err
}

// Trouble is a service's message to the coordinator that a run cannot go on. It is a request in JSON, not a record: the
// coordinator answers it with a paused or, if Fatal, a failed record.
type Trouble struct {
	Run    string `json:"run"`
	From   string `json:"from"` // name of the service or host
	Reason string `json:"reason"`
	Fatal  bool   `json:"fatal"`            // the same would happen again
	Budget bool   `json:"budget,omitempty"` // nothing is left to spend
}
