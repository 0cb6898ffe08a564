package control

import (
	"time"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Endpoints of the coordinator beside those of control.go.
const (
	Replay = "replay" // Again -> Info
	Faults = "fault"  // Fault -> empty
)

// Again asks for a run that plays another one again, without a call to any model: what was said then is said again.
type Again struct {
	Run       string             `json:"run"`                  // with a closed round
	Overrides scenario.Overrides `json:"overrides"`            // on top of those of the run; models named here are not replayed
	ShardSize int                `json:"shard_size,omitempty"` // 0: that of the run
}

// Fault is something that a service saw go wrong, and that a run went on after. What several report of one incident is kept
// once.
type Fault struct {
	Run   string    `json:"run"`
	From  string    `json:"from"` // who reports it
	At    time.Time `json:"at"`
	Until time.Time `json:"until"`
	Who   string    `json:"who"`  // the part that failed
	What  string    `json:"what"` // in a sentence, for people
}
