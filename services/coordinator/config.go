package coordinator

// Config is read from the environment by a coordinator that runs as its own process.
type Config struct {
	ID        string   `env:"ID" desc:"name of this coordinator in the log; empty: drawn at start"`
	HTTP      string   `env:"HTTP" envDefault:"127.0.0.1:8080" desc:"address of the HTTP API; off loopback it needs HTTP_CERT, HTTP_KEY and HTTP_TOKEN; empty: no HTTP"`
	HTTPCert  string   `env:"HTTP_CERT" desc:"PEM file with the certificate of the HTTP API; it is read again when it changes"`
	HTTPKey   string   `env:"HTTP_KEY" desc:"PEM file with the key of the certificate"`
	HTTPToken string   `env:"HTTP_TOKEN" desc:"file with the bearer token that requests to the HTTP API must have"`
	HTTPHosts []string `env:"HTTP_HOSTS" desc:"names and addresses that requests may call this server, besides those of loopback and of its certificate, comma separated"`
	ShardSize int      `env:"SHARD_SIZE" envDefault:"1024" desc:"agents a shard, the unit of placement (1..65536); results do not depend on it"`
	Adopt     bool     `env:"ADOPT" envDefault:"true" desc:"go on with unfinished runs found at start; otherwise they wait for resume"`
}
