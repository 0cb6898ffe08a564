package bus

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"slices"
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
	// pingEvery and pingsLost bound how long a server that stopped answering,
	// or a cut cable, goes unnoticed.
	pingEvery = 2 * time.Second
	pingsLost = 2
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
		if why := untrusted(err); why != "" {
			return nil, fmt.Errorf("%w: %s: %w; %s", ErrUntrusted, cfg.redacted(), err, why)
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

// untrusted says what to do where a server is not, or does not show that it is, the one that was meant; "" for any other
// error. Waiting does not help, and a password must not be sent there.
func untrusted(err error) string {
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	var invalid x509.CertificateInvalidError
	switch {
	case errors.Is(err, nats.ErrSecureConnWanted):
		return "the server has no TLS: give it a certificate (\"myriad keys init\"), or use a nats:// URL on this machine"
	case errors.As(err, &unknown):
		return "set MYRIAD_NATS_CA to the file with the authority that signed the server's certificate (ca.pem of \"myriad keys init\")"
	case errors.As(err, &name):
		return "use a name in MYRIAD_NATS_URL that the certificate is valid for, or renew it with \"myriad keys renew --host NAME\""
	case errors.As(err, &invalid):
		return "renew the server's certificate with \"myriad keys renew\", and check the clock"
	}
	return ""
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
		secure := secureScheme(u) || c.CA != "" || c.Cert != ""
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
	opts := append(common(c.Name, log), nats.PingInterval(pingEvery), nats.MaxPingsOutstanding(pingsLost))
	if slices.ContainsFunc(all, secureScheme) || c.CA != "" || c.Cert != "" {
		opts = append(opts, nats.Secure(&tls.Config{MinVersion: minTLS}))
	}
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
		user, err := asUser(c.NKey)
		if err != nil {
			return nil, fmt.Errorf("%w: MYRIAD_NATS_NKEY: %w", ErrConfig, err)
		}
		opts = append(opts, user)
	}
	return opts, nil
}

func secureScheme(u *url.URL) bool { return u.Scheme == "tls" || u.Scheme == "wss" }

// OffLoopback reports whether one of the servers is not on this machine, as far as its address says.
func (c ConnectConfig) OffLoopback() bool {
	all, err := c.servers()
	return err == nil && slices.ContainsFunc(all, func(u *url.URL) bool { return !loopbackHost(u.Hostname()) })
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
