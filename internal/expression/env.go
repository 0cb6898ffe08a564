package expression

// Env is the data a Program runs on. Only the roots of its Use are read (see Program.Reads); the maps are not changed
// and not kept.
type Env struct {
	Vars            Vars
	World, Previous map[string]float64 // the world state now and one round earlier
	Round, Size     int                // the round, from 1; the number of agents
	Answers         map[string]Column  // this round's answers by question id
	Persona         map[string]string
	Self            map[string]float64 // the agent's last answers by question id, and "number"
}

// Column is the answers to one question in one round. Only valid answers count; ok is false when there are none.
type Column interface {
	Mean() (mean float64, ok bool)
	Sum() (sum float64, ok bool)
	Count() int
	MinMax() (lo, hi float64, ok bool)
	Std() (std float64, ok bool)
	Median() (median float64, ok bool)
	Quantile(p float64) (value float64, ok bool) // p in [0, 1]
	Share(index int) (share float64, ok bool)    // share of valid answers that are choice number index
}
