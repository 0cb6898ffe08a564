package stack

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/keys"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// needs are the streams without which a service does not start, all of which its user may see.
var needs = map[string][]string{
	"bgen":        {"OBJ_" + subjects.StorePersonas},
	"llmproxy":    {"KV_" + subjects.BucketUsage},
	"environment": {"KV_" + subjects.BucketEnv, subjects.StreamHub, subjects.StreamLog},
	"agenthost":   {"KV_" + subjects.BucketHosts, "OBJ_" + subjects.StorePersonas, subjects.StreamHub, subjects.StreamLog},
}

// wanted are the names of the services of the stack.
func (s *Stack) wanted() ([]string, error) {
	if s.cfg.Services == nil {
		return Names, nil
	}
	for _, name := range s.cfg.Services {
		if !slices.Contains(Names, name) {
			return nil, fmt.Errorf("%w: %q; there are %s", ErrUnknownService, name, strings.Join(Names, ", "))
		}
	}
	return s.cfg.Services, nil
}

// streams makes the streams and buckets, or waits for them: on a server elsewhere only a coordinator may make them.
func (s *Stack) streams(ctx context.Context, js jetstream.JetStream, want []string) error {
	if s.server == nil && !slices.Contains(want, subjects.ServiceCoordinator) {
		for _, name := range want {
			s.seen = append(s.seen, needs[name]...)
		}
		if err := bus.Await(ctx, js, s.log, s.seen...); err != nil {
			return fmt.Errorf("stack: %w", err)
		}
		return nil
	}
	s.seen = []string{subjects.StreamLog}
	options := bus.Options{Replicas: s.cfg.Connect.Replicas}
	if err := bus.Provision(ctx, js, options); err != nil {
		return err
	}
	s.group.Add("provision", newProvisioner(s.conn, js, options, s.log))
	return nil
}

// serverConfig is that of the embedded server.
func (s *Stack) serverConfig() bus.ServerConfig {
	cfg := bus.ServerConfig{DataDir: s.cfg.DataDir, Listen: s.cfg.Listen, Log: s.log}
	if k := s.cfg.Keys; k != "" {
		cfg.Secure = &bus.Secure{Auth: k.Auth(), Cert: k.NATSCert(), Key: k.NATSKey()}
	}
	return cfg
}

// offLoopback reports whether others than the users of this machine may reach the NATS server, and with it the services.
func (s *Stack) offLoopback() bool {
	if s.server != nil {
		return bus.OffLoopback(s.cfg.Listen)
	}
	return s.cfg.Connect.OffLoopback()
}

// forProcesses is how agents in processes of their own reach the embedded server. They have a user that all of them share: a
// process serves the agents of one name in all runs, and reads the log.
func (s *Stack) forProcesses() bus.ConnectConfig {
	cfg := bus.ConnectConfig{URL: s.URL()}
	if k := s.cfg.Keys; k != "" {
		cfg.CA, cfg.NKey = k.CA(), k.Seed(keys.Process)
	}
	return cfg
}
