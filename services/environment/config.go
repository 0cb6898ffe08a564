package environment

import "github.com/myriad-sim/myriad/pkg/environment"

// Config is read from the environment by a process that runs this service alone.
type Config struct {
	ID string `env:"ID" desc:"name of this process in the log; empty: drawn at start"`

	// Kinds are the kinds of environments whose code this program has; nil: those that come with Myriad.
	Kinds *environment.Registry `env:"-"`
}
