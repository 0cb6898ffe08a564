package host

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/myriad-sim/myriad/internal/actor"
	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/environment"
)

// Kinds is the code that a program brings. A nil registry is that of the kinds that come with Myriad.
type Kinds struct {
	Agents       *agent.Registry
	Environments *environment.Registry
}

// stopGrace bounds how long a program takes to stop.
const stopGrace = 15 * time.Second

// Main is the main function of a host program: it reads the command line and the environment, serves until it is told to
// stop by a signal, and returns the exit code. The flags are --id, --nats and --help; everything else is settings of
// `myriad agenthost --help`.
func Main(k Kinds) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return run(ctx, k, os.Args, os.Stderr)
}

func run(ctx context.Context, k Kinds, args []string, stderr io.Writer) int {
	log := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelInfo}))
	if actor.IsChild() {
		return code(stderr, actor.ChildMain(ctx, k.agents(), log))
	}
	cfg, err := settings(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return code(stderr, err)
	}
	return code(stderr, Serve(ctx, cfg, k, log))
}

// code says an error, if there is one, and is the exit code for it.
func code(stderr io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintln(stderr, "error:", err)
	return 1
}

// Config says how a host program reaches its stack.
type Config struct {
	ID   string // of the host: part of its agents' addresses, and of where what they did is kept; unique in the stack
	NATS string // URL of the NATS server, or several, separated by commas; "" for MYRIAD_NATS_URL
}

func settings(args []string, stderr io.Writer) (Config, error) {
	name := args[0][strings.LastIndexByte(args[0], '/')+1:]
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	var cfg Config
	flags.StringVar(&cfg.ID, "id", os.Getenv("MYRIAD_AGENTHOST_ID"), "name of this host: part of its agents' addresses; keep it over restarts (or MYRIAD_AGENTHOST_ID)")
	flags.StringVar(&cfg.NATS, "nats", "", "URL of the NATS server (or MYRIAD_NATS_URL; default nats://127.0.0.1:4222)")
	flags.Usage = func() {
		fmt.Fprintf(stderr, "%s serves agents, as part of a Myriad stack.\n\n  myriad up                       the stack, in another terminal\n  %s --id h1\n\nFlags:\n", name, name)
		flags.PrintDefaults()
		fmt.Fprintf(stderr, "\nFurther settings are environment variables: see myriad agenthost --help.\n")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return cfg, err
	}
	if flags.NArg() > 0 {
		return cfg, fmt.Errorf("unexpected argument %q; see %s --help", flags.Arg(0), name)
	}
	if cfg.ID == "" {
		return cfg, fmt.Errorf("this host needs a name that it keeps over restarts: %s --id NAME", name)
	}
	return cfg, nil
}

// Serve runs a host until ctx is done or it fails. Where the kinds have environments of the program's own it serves those
// too.
func Serve(ctx context.Context, cfg Config, k Kinds, log *slog.Logger) error {
	set, err := stack.FromEnv()
	if err != nil {
		return err
	}
	connect, err := bus.LoadConnectConfig()
	if err != nil {
		return err
	}
	if cfg.NATS != "" {
		connect.URL = cfg.NATS
	}
	connect.Name = "myriad host " + cfg.ID
	k.into(&set)
	set.AgentHost.ID = cfg.ID
	services := []string{"agenthost"}
	if k.Environments != nil {
		services = append(services, "environment")
	}
	st, err := stack.Start(ctx, stack.Config{Services: services, Settings: set, Connect: connect}, log)
	if err != nil {
		return err
	}
	log.Info("serving agents", "host", cfg.ID, "kinds", strings.Join(k.agents().Names(), ", "))
	failure := st.Wait(ctx)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopGrace)
	defer cancel()
	return errors.Join(failure, st.Stop(stopping))
}

func (k Kinds) agents() *agent.Registry {
	if k.Agents == nil {
		return agent.NewRegistry()
	}
	return k.Agents
}

func (k Kinds) into(set *stack.Settings) {
	set.AgentHost.Kinds = k.agents()
	set.Environment.Kinds = k.Environments
}
