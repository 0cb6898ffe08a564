package host

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/hub"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// ErrNoHosts says that a place has no host to make agents on.
var ErrNoHosts = errors.New("host: a remote place needs at least one host")

// Place is where the agents of a program live: Local or Remote.
type Place struct {
	hosts []string
	url   string // of the stack elsewhere
	kinds Kinds  // of a local one
	dir   string
	local bool
}

// Local is a place in this process: a NATS server that nobody else reaches, one host with the given kinds, environments and
// hubs, and the model gateway. What happens in it is kept in a directory that Open makes and Close removes; see In.
func Local(k Kinds) Place { return Place{hosts: []string{stack.LocalHost}, kinds: k, local: true} }

// In keeps what happens in a local place in a directory: who opens it again with the same run finds agents, hubs and
// environments as they were.
func (p Place) In(dir string) Place {
	p.dir = dir
	return p
}

// Remote is a place in a stack that runs elsewhere, such as that of `myriad up`. Agents are made on the hosts in turn; their
// programs have the code. url is that of its NATS server, or several, separated by commas; "" is MYRIAD_NATS_URL.
// Credentials come from MYRIAD_NATS_* as for the services.
func Remote(url string, hosts ...string) Place { return Place{url: url, hosts: hosts} }

// World is an open place: where a program makes its agents, hubs and environments in one run, and gives them work. It is
// safe for concurrent use.
type World struct {
	place  Place
	run    string
	client *agent.Client
	nc     *nats.Conn
	next   atomic.Uint64

	stack  *stack.Stack // of a local place
	remove string       // directory that was made for it
}

// Open opens a place for a run, which is a name: who opens the same one finds the same agents. The caller closes it. log is
// for what the services say; nil for nothing.
func Open(ctx context.Context, run string, p Place, log *slog.Logger) (*World, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if len(p.hosts) == 0 {
		return nil, ErrNoHosts
	}
	w := &World{place: p, run: run}
	err := w.connect(ctx, log)
	if err == nil {
		w.client, err = agent.NewClient(w.nc, run, log)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close(context.WithoutCancel(ctx)))
	}
	return w, nil
}

func (w *World) connect(ctx context.Context, log *slog.Logger) error {
	if !w.place.local {
		cfg, err := bus.LoadConnectConfig()
		if err != nil {
			return err
		}
		if w.place.url != "" {
			cfg.URL = w.place.url
		}
		cfg.Name = "myriad program"
		w.nc, err = bus.Connect(ctx, cfg, log)
		return err
	}
	set, err := stack.FromEnv()
	if err != nil {
		return err
	}
	w.place.kinds.into(&set)
	set.AgentHost.ID = stack.LocalHost
	set.LLMProxy.Registerer = prometheus.NewRegistry() // a program may have several places open
	dir := w.place.dir
	if dir == "" {
		if dir, err = os.MkdirTemp("", "myriad-"); err != nil {
			return fmt.Errorf("host: %w", err)
		}
		w.remove = dir
	}
	services := []string{"environment", "agenthost", "llmproxy"}
	w.stack, err = stack.Start(ctx, stack.Config{Services: services, Settings: set, DataDir: dir}, log)
	if err != nil {
		return err
	}
	w.nc = w.stack.Conn()
	return nil
}

// Close ends a local place, or the connection to a remote one, where agents stay as they are.
func (w *World) Close(ctx context.Context) error {
	var err error
	if w.client != nil {
		w.client.Close()
	}
	switch {
	case w.stack != nil:
		err = w.stack.Stop(ctx)
	case w.nc != nil && !w.place.local:
		w.nc.Close()
	}
	if w.remove != "" {
		err = errors.Join(err, os.RemoveAll(w.remove))
	}
	return err
}

// Client reaches all agents of the run.
func (w *World) Client() *agent.Client { return w.client }

// Agent makes an agent on the next host, or finds it there if it was made with the same kind and configuration before.
// Agents of a program are found again if it makes them in the same order, on as many hosts.
func (w *World) Agent(ctx context.Context, s agent.Spec) (*agent.Ref, error) {
	host := w.place.hosts[(w.next.Add(1)-1)%uint64(len(w.place.hosts))]
	at, err := w.client.Create(ctx, host, s)
	if err != nil {
		return nil, fmt.Errorf("make agent %s on host %s: %w", s.Name, host, err)
	}
	return w.client.Agent(at), nil
}

// Resolve waits for a message that may be a promise.
func (w *World) Resolve(ctx context.Context, m msg.Msg) (msg.Msg, error) {
	return w.client.Resolve(ctx, m)
}

// Hub opens a hub of the run, which is made if there is none of that name.
func (w *World) Hub(ctx context.Context, name string) (*hub.Hub, error) {
	return hub.Open(ctx, w.client, name)
}

// Environment is an environment of the run, which Create of what is returned makes.
func (w *World) Environment(name string) *environment.Env {
	return environment.NewClient(w.nc, w.run).Env(name)
}
