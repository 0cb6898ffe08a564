package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/nats-io/nats.go"
)

// EnvPrefix starts the name of every environment variable of ConnectConfig.
const EnvPrefix = "MYRIAD_NATS_"

const (
	dialTimeout   = 2 * time.Second
	retryWait     = 200 * time.Millisecond
	reconnectWait = 100 * time.Millisecond
	// reconnectBuffer holds what is published while the server is away, in bytes.
	reconnectBuffer = 64 << 20
)

// ConnectConfig says how to reach a NATS server. Credentials are files, so
// that no secret is in the environment or in an argument.
type ConnectConfig struct {
	// URL is one server or several, separated by commas.
	URL string `env:"URL" envDefault:"nats://127.0.0.1:4222" desc:"NATS server, or several, separated by commas"`
	// Name shows in the server's connection list; the service sets it.
	Name string `env:"-"`
	// Creds is a credentials file with a user's JWT and seed.
	Creds string `env:"CREDS" desc:"credentials file with a user's JWT and seed"`
	// NKey is a file with an nkey seed.
	NKey string `env:"NKEY" desc:"file with an nkey seed"`
	// CA is a PEM file with the authorities that sign the server's certificate.
	CA string `env:"CA" desc:"PEM file with the authorities that sign the server's certificate"`
	// Cert and Key are PEM files of a client certificate; both or none.
	Cert string `env:"CERT" desc:"PEM file of a client certificate"`
	Key  string `env:"KEY" desc:"PEM file of the key of the client certificate"`
	// Replicas is for Options: how many servers of a cluster hold each stream.
	Replicas int `env:"REPLICAS" envDefault:"0" desc:"copies of every stream and bucket; 0: three in a cluster, else one"`
}

// LoadConnectConfig reads MYRIAD_NATS_* from the environment. Error: ErrConfig.
func LoadConnectConfig() (ConnectConfig, error) {
	cfg, err := env.ParseAsWithOptions[ConnectConfig](env.Options{Prefix: EnvPrefix})
	if err != nil {
		return ConnectConfig{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return cfg, nil
}

// Connect opens a connection to a remote server. It keeps trying until ctx
// ends, and once connected it reconnects for ever. Errors: ErrConfig,
// ErrNotLoopback, ErrRefused, ErrUnreachable. The caller closes the connection.
func Connect(ctx context.Context, cfg ConnectConfig, log *slog.Logger) (*nats.Conn, error) {
	opts, err := cfg.options(log)
	if err != nil {
		return nil, err
	}
	said := false
	for {
		nc, err := nats.Connect(cfg.URL, append(opts, nats.Timeout(dialWithin(ctx)))...)
		if err == nil {
			return nc, nil
		}
		if refused(err) {
			return nil, fmt.Errorf("%w: %s: %w; check MYRIAD_NATS_CREDS and MYRIAD_NATS_NKEY", ErrRefused, cfg.redacted(), err)
		}
		if !said {
			log.Warn("NATS server not reachable, trying on", "url", cfg.redacted(), "error", err)
			said = true
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %s: %w (%w); start one with \"myriad up\", or set MYRIAD_NATS_URL",
				ErrUnreachable, cfg.redacted(), err, context.Cause(ctx))
		case <-time.After(retryWait):
		}
	}
}

// dialWithin is the time one attempt may take: what ctx leaves, at most dialTimeout.
func dialWithin(ctx context.Context) time.Duration {
	deadline, ok := ctx.Deadline()
	if !ok {
		return dialTimeout
	}
	return min(dialTimeout, max(time.Until(deadline), time.Millisecond))
}

func refused(err error) bool {
	return errors.Is(err, nats.ErrAuthorization) || errors.Is(err, nats.ErrAuthExpired) ||
		errors.Is(err, nats.ErrAuthRevoked) || errors.Is(err, nats.ErrAccountAuthExpired)
}

// servers parses URL.
func (c ConnectConfig) servers() ([]*url.URL, error) {
	var all []*url.URL
	for s := range strings.SplitSeq(c.URL, ",") {
		s = strings.TrimSpace(s)
		if s != "" && !strings.Contains(s, "://") {
			s = "nats://" + s
		}
		u, err := url.Parse(s)
		if err != nil || u.Hostname() == "" {
			return nil, fmt.Errorf("%w: MYRIAD_NATS_URL needs the form nats://host:port", ErrConfig)
		}
		all = append(all, u)
	}
	return all, nil
}

// redacted is URL without passwords and tokens.
func (c ConnectConfig) redacted() string {
	all, err := c.servers()
	if err != nil {
		return "(bad URL)"
	}
	names := make([]string, len(all))
	for i, u := range all {
		names[i] = u.Scheme + "://" + u.Host
	}
	return strings.Join(names, ",")
}

// options checks the settings and turns them into the client's options.
func (c ConnectConfig) options(log *slog.Logger) ([]nats.Option, error) {
	if (c.Cert == "") != (c.Key == "") {
		return nil, fmt.Errorf("%w: MYRIAD_NATS_CERT and MYRIAD_NATS_KEY go together", ErrConfig)
	}
	if c.Creds != "" && c.NKey != "" {
		return nil, fmt.Errorf("%w: set MYRIAD_NATS_CREDS or MYRIAD_NATS_NKEY, not both", ErrConfig)
	}
	all, err := c.servers()
	if err != nil {
		return nil, err
	}
	for _, u := range all {
		secure := u.Scheme == "tls" || u.Scheme == "wss" || c.CA != "" || c.Cert != ""
		known := c.Creds != "" || c.NKey != "" || u.User != nil
		if !loopbackHost(u.Hostname()) && (!secure || !known) {
			return nil, fmt.Errorf("%w: %s is another machine, which needs encryption and credentials; "+
				"use a tls:// URL (MYRIAD_NATS_CA for a private authority) and set MYRIAD_NATS_CREDS or MYRIAD_NATS_NKEY",
				ErrNotLoopback, u.Host)
		}
	}
	if err := c.readable(); err != nil {
		return nil, err
	}
	opts := common(c.Name, log)
	if c.CA != "" {
		opts = append(opts, nats.RootCAs(c.CA))
	}
	if c.Cert != "" {
		opts = append(opts, nats.ClientCert(c.Cert, c.Key))
	}
	if c.Creds != "" {
		opts = append(opts, nats.UserCredentials(c.Creds))
	}
	if c.NKey != "" {
		key, err := nats.NkeyOptionFromSeed(c.NKey)
		if err != nil {
			return nil, fmt.Errorf("%w: MYRIAD_NATS_NKEY: %w", ErrConfig, err)
		}
		opts = append(opts, key)
	}
	return opts, nil
}

// readable checks the files now: the client would report a missing one like a
// server that is away, which Connect waits for.
func (c ConnectConfig) readable() error {
	for _, f := range []struct{ name, path string }{
		{"CREDS", c.Creds}, {"NKEY", c.NKey}, {"CA", c.CA}, {"CERT", c.Cert}, {"KEY", c.Key},
	} {
		if f.path == "" {
			continue
		}
		if _, err := os.ReadFile(f.path); err != nil {
			return fmt.Errorf("%w: %s%s: %w", ErrConfig, EnvPrefix, f.name, err)
		}
	}
	return nil
}
