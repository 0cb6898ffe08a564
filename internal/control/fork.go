package control

import "github.com/myriad-sim/myriad/pkg/scenario"

// Fork is the endpoint of the coordinator that begins a run where another one was: ForkOrder -> Info.
const Fork = "fork"

// ForkOrder asks for a run whose first rounds are those of another.
type ForkOrder struct {
	Run       string             `json:"run"`
	AtRound   int                `json:"at_round"`             // the last of its rounds that are those of Run; 0: none
	Overrides scenario.Overrides `json:"overrides"`            // on top of those of Run
	ShardSize int                `json:"shard_size,omitempty"` // 0: that of Run, which it has to be unless AtRound is 0
	Name      string             `json:"name,omitempty"`       // what its id begins with; "": the name of the scenario
}

// ForkOf says of a run that its first rounds are those of another.
type ForkOf struct {
	Run   string `json:"run"`
	Round int    `json:"round"` // the last of them
}
