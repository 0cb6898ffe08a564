package stack

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/keys"
	"github.com/myriad-sim/myriad/internal/lifecycle"
	"github.com/myriad-sim/myriad/internal/monitor"
	"github.com/myriad-sim/myriad/services/agenthost"
	"github.com/myriad-sim/myriad/services/bgen"
	"github.com/myriad-sim/myriad/services/coordinator"
	"github.com/myriad-sim/myriad/services/environment"
	"github.com/myriad-sim/myriad/services/llmproxy"
)

// Names of the services, each after those it depends on, which is the order they start in.
var Names = []string{"bgen", "llmproxy", "environment", "agenthost", "coordinator"}

// ErrUnknownService: a service was named that there is none of.
var ErrUnknownService = errors.New("stack: unknown service")

// Settings are the configurations of the services.
type Settings struct {
	AgentHost   agenthost.Config   `envPrefix:"MYRIAD_AGENTHOST_"`
	Environment environment.Config `envPrefix:"MYRIAD_ENVIRONMENT_"`
	Coordinator coordinator.Config `envPrefix:"MYRIAD_COORDINATOR_"`
	Bgen        bgen.Config        `envPrefix:"MYRIAD_BGEN_"`
	LLMProxy    llmproxy.Config    `envPrefix:"MYRIAD_LLMPROXY_"`
	Monitor     monitor.Config     `envPrefix:"MYRIAD_"`
}

// FromEnv reads the settings from environment variables.
func FromEnv() (Settings, error) {
	s, err := env.ParseAs[Settings]()
	if err != nil {
		return s, fmt.Errorf("stack: settings: %w", err)
	}
	return s, nil
}

// Config says what a stack consists of.
type Config struct {
	Services []string // names; nil means all
	Settings Settings

	// Embedded server: DataDir is set. Listen "" serves this process only. With Keys the server has TLS and users, and may
	// listen off loopback; each service then connects as its own user.
	DataDir string
	Listen  string
	Keys    keys.Dir
	// Server elsewhere: DataDir is "".
	Connect bus.ConnectConfig
}

// Stack is a set of running services.
type Stack struct {
	log    *slog.Logger
	cfg    Config
	server *bus.Server  // nil with a server elsewhere
	conn   *nats.Conn   // of whoever started the stack
	conns  []*nats.Conn // all, each service has its own
	group  *lifecycle.Group

	seen        []string             // streams whose services cannot work without them, and may see
	monitor     *monitor.Server      // nil without one
	coordinator *coordinator.Service // nil without one
}

// LocalHost is the name of the agent host beside an embedded server, unless it was given one. It is the same each time, so
// that its code agents come back.
const LocalHost = "local"

// stopGrace bounds the stop of each service.
const stopGrace = 10 * time.Second

// Start connects, creates streams and buckets, and starts the services in order. After an error nothing is left running.
func Start(ctx context.Context, cfg Config, log *slog.Logger) (*Stack, error) {
	s := &Stack{log: log, cfg: cfg, group: lifecycle.NewGroup(log, stopGrace)}
	if err := s.start(ctx); err != nil {
		return nil, errors.Join(err, s.Stop(context.WithoutCancel(ctx)))
	}
	return s, nil
}

func (s *Stack) start(ctx context.Context) error {
	err := s.listenToProbes(ctx)
	if err != nil {
		return err
	}
	if s.cfg.DataDir != "" {
		if s.server, err = bus.StartServer(ctx, s.serverConfig()); err != nil {
			return err
		}
	}
	want, err := s.wanted()
	if err != nil {
		return err
	}
	if s.conn, err = s.connect(ctx, ""); err != nil {
		return err
	}
	js, err := jetstream.New(s.conn)
	if err != nil {
		return fmt.Errorf("stack: jetstream: %w", err)
	}
	if err := s.streams(ctx, js, want); err != nil {
		return err
	}
	var services []lifecycle.Service
	for _, name := range Names {
		if !slices.Contains(want, name) {
			continue
		}
		svc, err := s.build(ctx, name)
		if err != nil {
			return err
		}
		s.group.Add(name, svc)
		services = append(services, svc)
	}
	if err := s.group.Start(ctx); err != nil {
		return err
	}
	for _, svc := range services {
		if err := s.monitored(svc); err != nil {
			return err
		}
	}
	s.ready(js)
	return s.leaveAddress()
}

// connect opens a connection that closes with the stack. The services of a stack do not share one: what waits on one's
// connection does not hold up the others, as if each were a process.
func (s *Stack) connect(ctx context.Context, service string) (*nats.Conn, error) {
	name := strings.TrimSuffix("myriad "+service, " ")
	var nc *nats.Conn
	var err error
	switch {
	case s.server != nil && s.cfg.Keys != "":
		// Whoever started the stack made the streams, so that is the user for everything else.
		nc, err = s.server.ConnectAs(name, s.cfg.Keys.Seed(keys.Role(cmp.Or(service, string(keys.Coordinator)))))
	case s.server != nil:
		nc, err = s.server.Connect(name)
	default:
		cfg := s.cfg.Connect
		if service != "" {
			cfg.Name = strings.TrimSuffix(cfg.Name+" "+service, " ")
		}
		nc, err = bus.Connect(ctx, cfg, s.log)
	}
	if err == nil {
		s.conns = append(s.conns, nc)
	}
	return nc, err
}

func (s *Stack) build(ctx context.Context, name string) (lifecycle.Service, error) {
	set := s.cfg.Settings
	nc, err := s.connect(ctx, name)
	if err != nil {
		return nil, err
	}
	switch name {
	case "agenthost":
		set.AgentHost.Broker = s.forProcesses()
		if set.AgentHost.ID == "" && s.server != nil {
			set.AgentHost.ID = LocalHost
		}
		return agenthost.New(nc, s.log, set.AgentHost)
	case "environment":
		return environment.New(nc, s.log, set.Environment)
	case "coordinator":
		s.coordinator, err = coordinator.New(nc, s.log, set.Coordinator)
		return s.coordinator, err
	case "bgen":
		return bgen.New(nc, s.log, set.Bgen)
	case "llmproxy":
		set.LLMProxy.Strict = s.offLoopback()
		if set.LLMProxy.Registerer == nil {
			set.LLMProxy.Registerer = prometheus.DefaultRegisterer
		}
		return llmproxy.New(nc, s.log, set.LLMProxy)
	}
	return nil, fmt.Errorf("%w: %q", ErrUnknownService, name)
}

// Conn is a connection for whoever started the stack; it closes with the stack.
func (s *Stack) Conn() *nats.Conn { return s.conn }

// URL is where the embedded server listens; "" without a listener.
func (s *Stack) URL() string {
	if s.server == nil {
		return ""
	}
	return s.server.URL()
}

// HTTPAddr is the host:port of the HTTP API; "" without one.
func (s *Stack) HTTPAddr() string {
	if s.coordinator == nil {
		return ""
	}
	return s.coordinator.HTTPAddr()
}

// Wait returns when ctx is done, or with the error of the first service that fails.
func (s *Stack) Wait(ctx context.Context) error { return s.group.Wait(ctx) }

// Stop stops the services in reverse order, then the connection and the embedded server, and waits for all of it.
func (s *Stack) Stop(ctx context.Context) error {
	var err error
	if s.monitor != nil { // first: its metrics ask the services
		err = s.monitor.Stop(ctx)
	}
	err = errors.Join(err, s.group.Stop(ctx))
	for _, nc := range slices.Backward(s.conns) {
		nc.Close()
	}
	if s.server != nil {
		if gone := os.Remove(AddressFile(s.cfg.DataDir)); s.server.URL() != "" && !errors.Is(gone, os.ErrNotExist) {
			err = errors.Join(err, gone)
		}
		s.server.Stop()
	}
	return err
}

// AddressFile is where a stack that listens leaves its NATS address, so that commands on the same data directory find it.
func AddressFile(dataDir string) string { return filepath.Join(dataDir, "nats.url") }

func (s *Stack) leaveAddress() error {
	if s.URL() == "" {
		return nil
	}
	if err := os.WriteFile(AddressFile(s.cfg.DataDir), []byte(s.URL()+"\n"), 0o600); err != nil {
		return fmt.Errorf("stack: %w", err)
	}
	return nil
}
