package coordinator

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"
)

// ErrPortTaken: another program listens on the address of the HTTP API.
var ErrPortTaken = errors.New("coordinator: the HTTP address is taken")

// ErrNotLoopback: the HTTP API was told to listen where other machines reach it, without what that needs.
var ErrNotLoopback = errors.New("coordinator: the HTTP API listens on this machine only")

// maxConns is how many connections are served at a time; others wait to be accepted. An event stream holds one.
const maxConns = 4096

// listen opens the listener of the HTTP API, with TLS where there is a certificate. names are those of the certificate.
func listen(ctx context.Context, cfg Config) (l net.Listener, names func() []string, err error) {
	host, _, err := net.SplitHostPort(cfg.HTTP)
	if err != nil {
		return nil, nil, fmt.Errorf("coordinator: HTTP address %q, want one such as 127.0.0.1:8080: %w", cfg.HTTP, err)
	}
	if (cfg.HTTPCert == "") != (cfg.HTTPKey == "") {
		return nil, nil, fmt.Errorf("%w: MYRIAD_COORDINATOR_HTTP_CERT and MYRIAD_COORDINATOR_HTTP_KEY go together", ErrAccess)
	}
	if !loopback(host) && (cfg.HTTPCert == "" || cfg.HTTPToken == "") {
		return nil, nil, fmt.Errorf("%w, not on %s, unless it has a certificate and a token: make them with \"myriad keys init DIR --host NAME\" and give "+
			"--keys DIR, or set MYRIAD_COORDINATOR_HTTP_CERT, MYRIAD_COORDINATOR_HTTP_KEY and MYRIAD_COORDINATOR_HTTP_TOKEN to files; "+
			"or set --http (MYRIAD_COORDINATOR_HTTP) to 127.0.0.1:8080", ErrNotLoopback, cfg.HTTP)
	}
	names = func() []string { return nil }
	var secure *tls.Config
	if cfg.HTTPCert != "" {
		c, err := newCertificate(cfg.HTTPCert, cfg.HTTPKey)
		if err != nil {
			return nil, nil, err
		}
		// HTTP/1.1 alone: the limits of this server are those of its connections.
		secure = &tls.Config{GetCertificate: c.get, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
		names = c.names
	}
	l, err = new(net.ListenConfig).Listen(ctx, "tcp", cfg.HTTP)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, nil, fmt.Errorf("%w: %s; stop what listens there, or choose another address with --http (MYRIAD_COORDINATOR_HTTP)", ErrPortTaken, cfg.HTTP)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("coordinator: cannot listen on %s: %w", cfg.HTTP, err)
	}
	l = &limited{Listener: l, free: make(chan struct{}, maxConns), closed: make(chan struct{})}
	if secure != nil {
		l = tls.NewListener(l, secure)
	}
	return l, names, nil
}

// limited accepts no more connections than there is room for.
type limited struct {
	net.Listener
	free   chan struct{} // one in it for each connection
	once   sync.Once
	closed chan struct{}
}

// Accept waits for room, then for a connection.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, net.ErrClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	return &counted{Conn: c, leave: sync.OnceFunc(func() { <-l.free })}, nil
}

// Close ends Accept.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

type counted struct {
	net.Conn
	leave func()
}

// Close gives its place free.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}

// certificate is read again when its file changes, so that it can be renewed without a restart.
type certificate struct {
	cert, key string

	mu     sync.Mutex
	have   *tls.Certificate
	stamp  time.Time // of the file that have was read from
	looked time.Time
}

// lookEvery is how often the file is looked at, at most.
const lookEvery = time.Second

func newCertificate(cert, key string) (*certificate, error) {
	c := &certificate{cert: cert, key: key}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("%w: MYRIAD_COORDINATOR_HTTP_CERT: %w", ErrAccess, err)
	}
	return c, nil
}

// read takes what the files have. c.mu is held, or c not shared yet.
func (c *certificate) read() error {
	info, err := os.Stat(c.cert)
	if err != nil {
		return err
	}
	if c.have != nil && info.ModTime().Equal(c.stamp) {
		return nil
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return err
	}
	c.have, c.stamp = &pair, info.ModTime()
	return nil
}

// get is the certificate now: the last one that could be read.
func (c *certificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); now.Sub(c.looked) >= lookEvery {
		c.looked = now
		_ = c.read() // half of a new pair is there: what is at hand serves until the other is
	}
	return c.have, nil
}

// names are what the certificate is valid for.
func (c *certificate) names() []string {
	cert, err := c.get(nil)
	if err != nil || cert.Leaf == nil {
		return nil
	}
	all := append([]string{}, cert.Leaf.DNSNames...)
	for _, ip := range cert.Leaf.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}

// loopback reports whether a host, written without brackets, is reached from this machine only. Names other than
// localhost are not looked up: what they resolve to can change after the check.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
