package environment

// Config is read from the environment by a process that runs this service alone.
type Config struct {
	ID string `env:"ID" desc:"name of this process in the log; empty: drawn at start"`
}
