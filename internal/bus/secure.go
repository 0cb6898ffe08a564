package bus

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// Secure is what an embedded server needs to listen off loopback. All are files.
type Secure struct {
	// Auth is the part of a nats-server's configuration with accounts, users and permissions.
	Auth string
	// Cert and Key are the server's certificate.
	Cert, Key string
}

// reloadEvery is how often the files are looked at for changes.
const reloadEvery = time.Second

// minTLS is the oldest version of TLS that is spoken, by servers and clients.
const minTLS = tls.VersionTLS12

// options are the server's options as the files have them. They are read by nats-server's own reader, so a cluster includes
// the same file.
func (s *Secure) options() (*server.Options, error) {
	if s == nil {
		return &server.Options{}, nil
	}
	opts, err := server.ProcessConfigFile(s.Auth)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrConfig, s.Auth, err)
	}
	cert, err := tls.LoadX509KeyPair(s.Cert, s.Key)
	if err != nil {
		return nil, fmt.Errorf("%w: certificate %s: %w", ErrConfig, s.Cert, err)
	}
	opts.TLSConfig = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: minTLS}
	opts.TLSTimeout = tlsTimeout.Seconds()
	return opts, nil
}

// tlsTimeout bounds a handshake.
const tlsTimeout = 5 * time.Second

// stamp changes with the files.
func (s *Secure) stamp() string {
	var b strings.Builder
	for _, f := range []string{s.Auth, s.Cert, s.Key} {
		if info, err := os.Stat(f); err == nil {
			fmt.Fprintln(&b, info.ModTime().UnixNano(), info.Size())
		}
	}
	return b.String()
}

// reloader gives a running server the users, permissions and certificate that its files have now.
type reloader struct {
	cancel context.CancelFunc
	done   sync.WaitGroup
}

// follow begins to look at the files; options makes all of the server's options from them.
func (s *Secure) follow(ns *server.Server, options func() (*server.Options, error), log *slog.Logger) *reloader {
	ctx, cancel := context.WithCancel(context.Background())
	r := &reloader{cancel: cancel}
	have := s.stamp()
	r.done.Go(func() {
		tick := time.NewTicker(reloadEvery)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			now := s.stamp()
			if now == have {
				continue
			}
			have = now
			opts, err := options()
			if err == nil {
				err = ns.ReloadOptions(opts)
			}
			if err != nil {
				log.Error("users and certificate of the NATS server stay as they were", "error", err)
				continue
			}
			log.Info("users and certificate of the NATS server read anew")
		}
	})
	return r
}

// stop ends the looking.
func (r *reloader) stop() {
	if r != nil {
		r.cancel()
		r.done.Wait()
	}
}
