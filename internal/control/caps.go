package control

// Caps are what a run may spend: on all its models together, and on each. They are totals from the beginning of the run,
// not additions. Given with an order to resume, a cap of 0 leaves that one as it is.
type Caps struct {
	Tokens uint64         `json:"tokens,omitempty"` // in and out together
	Money  Money          `json:"money,omitempty"`
	Models map[string]Cap `json:"models,omitempty"` // by name of an entry under the scenario's models:
}

// Cap is what may be spent on one model.
type Cap struct {
	Tokens uint64 `json:"tokens,omitempty"`
	Money  Money  `json:"money,omitempty"`
}
