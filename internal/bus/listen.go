package bus

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/nats-io/nats-server/v2/server"
)

// options are those of the embedded server. They check that the address is free.
func (c ServerConfig) options(ctx context.Context) (*server.Options, error) {
	opts, err := c.Secure.options()
	if err != nil {
		return nil, err
	}
	opts.ServerName = "myriad"
	opts.JetStream = true
	opts.StoreDir = filepath.Join(c.DataDir, "nats")
	opts.SyncAlways = true
	opts.MaxPayload = MaxPayload
	opts.MaxPending = maxPending
	opts.NoSigs = true
	opts.DisableJetStreamBanner = true
	opts.DontListen = c.Listen == ""
	if c.Listen == "" {
		return opts, nil
	}
	opts.Host, opts.Port, err = c.listenAddress(ctx)
	return opts, err
}

// again are the options of a server that listens already.
func (c ServerConfig) again(addr net.Addr) (*server.Options, error) {
	listen := c.Listen
	c.Listen = ""
	opts, err := c.options(context.Background())
	if err != nil || listen == "" {
		return opts, err
	}
	opts.DontListen = false
	if opts.Host, _, err = net.SplitHostPort(listen); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrServer, err)
	}
	if at, ok := addr.(*net.TCPAddr); ok {
		opts.Port = at.Port
	}
	return opts, nil
}

// listenAddress checks that the address is one to listen on, and free. The server itself would
// report a taken port only as text.
func (c ServerConfig) listenAddress(ctx context.Context) (host string, port int, err error) {
	addr := c.Listen
	host, p, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("%w: listen address %q: %w; give host:port with --nats", ErrServer, addr, err)
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%w: listen address %q has no valid port; give host:port with --nats", ErrServer, addr)
	}
	if !loopbackHost(host) && c.Secure == nil {
		return "", 0, fmt.Errorf("%w: the NATS server does not listen on %s without encryption and users; "+
			"make them with \"myriad keys init DIR --host NAME\" and give --keys DIR, or use 127.0.0.1 with --nats", ErrNotLoopback, addr)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return "", 0, fmt.Errorf("%w: %s; stop what listens there, or choose another address with --nats", ErrPortTaken, addr)
	}
	if err != nil {
		return "", 0, fmt.Errorf("%w: cannot listen on %s: %w", ErrServer, addr, err)
	}
	if err := l.Close(); err != nil {
		return "", 0, fmt.Errorf("%w: %w", ErrServer, err)
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

// URL is the address clients outside the process but on this machine use, or "" without a listener.
func (s *Server) URL() string {
	addr, ok := s.ns.Addr().(*net.TCPAddr)
	if !ok {
		return ""
	}
	scheme, host := "nats://", addr.IP.String()
	if s.reload != nil {
		scheme = "tls://"
	}
	if addr.IP.IsUnspecified() {
		host = "127.0.0.1"
	}
	return scheme + net.JoinHostPort(host, strconv.Itoa(addr.Port))
}
