package coordinator

// Config is read from the environment by a coordinator that runs as its own process.
type Config struct {
	ID        string `env:"ID" desc:"name of this coordinator in the log; empty: drawn at start"`
	HTTP      string `env:"HTTP" envDefault:"127.0.0.1:8080" desc:"address of the HTTP API, loopback only; empty: no HTTP"`
	ShardSize int    `env:"SHARD_SIZE" envDefault:"1024" desc:"agents a shard, the unit of placement (1..65536); results do not depend on it"`
	Adopt     bool   `env:"ADOPT" envDefault:"true" desc:"go on with unfinished runs found at start; otherwise they wait for resume"`
}
