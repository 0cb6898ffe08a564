package main

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/stack"
)

type upCmd struct {
	Data     string   `help:"Directory of the run log and all other state, kept over restarts." default:"./myriad-data" placeholder:"DIR"`
	HTTP     string   `name:"http" help:"Address of the HTTP API (loopback)." default:"127.0.0.1:8080" placeholder:"ADDR"`
	NATS     string   `name:"nats" help:"Address of the NATS listener (loopback)." default:"127.0.0.1:4222" placeholder:"ADDR"`
	Services []string `help:"Run only these services beside the NATS server; 'none' for the server alone." placeholder:"NAME,…"`
}

// Help is shown by --help.
func (upCmd) Help() string {
	return `Unfinished runs in the data directory go on by themselves; paused ones wait for 'resume'.

Examples:
  myriad up
  myriad up --http 127.0.0.1:9090 --nats 127.0.0.1:4333 --data /var/lib/myriad
  curl -X POST --data-binary @examples/guess-two-thirds.yaml localhost:8080/v1/runs`
}

// Run keeps the stack running until it is told to stop.
func (c *upCmd) Run(ctx context.Context, a *app) error {
	set, err := stack.FromEnv()
	if err != nil {
		return err
	}
	set.Coordinator.HTTP = c.HTTP
	services := c.Services
	if len(services) == 1 && services[0] == "none" {
		services = []string{}
	}
	st, err := stack.Start(ctx, stack.Config{Settings: set, Services: services, DataDir: c.Data, Listen: c.NATS}, a.log)
	if err != nil {
		return err
	}
	if st.HTTPAddr() == "" {
		fmt.Fprintf(a.out, "Myriad is up without HTTP. Data: %s\n\n  NATS       %s\n\nCtrl-C stops.\n", c.Data, st.URL())
		return waitAndStop(ctx, a, st)
	}
	if c.Services != nil && !slices.Contains(c.Services, "coordinator") {
		fmt.Fprintf(a.out, "NATS is up at %s. Data: %s\nCtrl-C stops.\n", st.URL(), c.Data)
		return waitAndStop(ctx, a, st)
	}
	fmt.Fprintf(a.out, `Myriad is up. Data: %[1]s

  HTTP API   http://%[2]s        (API reference: http://%[2]s/docs)
  NATS       %[3]s

Three things to try, from another terminal:
  curl -X POST --data-binary @examples/guess-two-thirds.yaml http://%[2]s/v1/runs
  curl -N http://%[2]s/v1/runs/RUN/events
  nats -s %[3]s sub 'myriad.>' --translate 'myriad decode'    (the nats CLI: github.com/nats-io/natscli)

Ctrl-C stops.
`, c.Data, st.HTTPAddr(), st.URL())
	return waitAndStop(ctx, a, st)
}

func waitAndStop(ctx context.Context, a *app, st *stack.Stack) error {
	failure := st.Wait(ctx)
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 15*time.Second)
	defer cancel()
	err := st.Stop(stopping)
	if failure == nil {
		fmt.Fprintln(a.err, "Stopped.")
	}
	return errors.Join(failure, err)
}

// serviceCmd runs one service, named by the command itself, on a NATS server elsewhere.
type serviceCmd struct {
	Profile string `help:"Write a CPU profile of the process, for go tool pprof." placeholder:"FILE"`
}

// Help is shown by --help.
func (serviceCmd) Help() string {
	return `The services find each other on the NATS server. A run needs at least one of each.

Example, each in a terminal of its own:
  myriad up --services none --nats 127.0.0.1:4222
  MYRIAD_NATS_URL=nats://127.0.0.1:4222 myriad agenthost`
}

// Run connects and keeps the service running.
func (c serviceCmd) Run(ctx context.Context, a *app, k *kong.Context) error {
	if c.Profile != "" {
		stop, err := profile(c.Profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	name := k.Selected().Name
	set, err := stack.FromEnv()
	if err != nil {
		return err
	}
	connect, err := bus.LoadConnectConfig()
	if err != nil {
		return err
	}
	connect.Name = "myriad-" + name
	st, err := stack.Start(ctx, stack.Config{Services: []string{name}, Settings: set, Connect: connect}, a.log)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.err, "%s runs on %s\n", name, connect.URL)
	return waitAndStop(ctx, a, st)
}

// help prints kong's help and, for single services, every environment variable they read.
func help(options kong.HelpOptions, k *kong.Context) error {
	if err := kong.DefaultHelpPrinter(options, k); err != nil {
		return err
	}
	if k.Selected() == nil {
		return nil
	}
	var settings reflect.Type
	var prefix string
	for f := range reflect.TypeFor[stack.Settings]().Fields() {
		if strings.EqualFold(f.Name, k.Selected().Name) {
			settings, prefix = f.Type, f.Tag.Get("envPrefix")
		}
	}
	if settings == nil {
		return nil
	}
	fmt.Fprintln(k.Stdout, "\nEnvironment variables:")
	variables(k, reflect.TypeFor[bus.ConnectConfig](), bus.EnvPrefix)
	variables(k, settings, prefix)
	return nil
}

func variables(k *kong.Context, t reflect.Type, prefix string) {
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("env"), ",")
		if name == "" || name == "-" {
			continue
		}
		fmt.Fprintf(k.Stdout, "  %s%s (default %q)\n      %s\n", prefix, name, f.Tag.Get("envDefault"), f.Tag.Get("desc"))
	}
}
