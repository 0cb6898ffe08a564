package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/keys"
	"github.com/myriad-sim/myriad/internal/monitor"
	"github.com/myriad-sim/myriad/internal/stack"
)

type upCmd struct {
	Data     string   `help:"Directory of the run log and all other state, kept over restarts." default:"./myriad-data" placeholder:"DIR"`
	HTTP     string   `name:"http" help:"Address of the HTTP API; off loopback it needs --keys." default:"127.0.0.1:8080" placeholder:"ADDR"`
	NATS     string   `name:"nats" help:"Address of the NATS listener; off loopback it needs --keys." default:"127.0.0.1:4222" placeholder:"ADDR"`
	Keys     string   `help:"Directory of \"myriad keys init\": TLS for NATS and HTTP, a user for each service, a token for HTTP." placeholder:"DIR"`
	Services []string `help:"Run only these services beside the NATS server; 'none' for the server alone." placeholder:"NAME,…"`
}

// Help is shown by --help.
func (upCmd) Help() string {
	return `Unfinished runs in the data directory go on by themselves; paused ones wait for 'resume'.

Examples:
  myriad up
  myriad up --http 127.0.0.1:9090 --nats 127.0.0.1:4333 --data /var/lib/myriad
  myriad keys init keys --host sim.example.org && myriad up --keys keys --nats 0.0.0.0:4222 --http 0.0.0.0:8080
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
	cfg := stack.Config{Settings: set, Services: services, DataDir: c.Data, Listen: c.NATS}
	if c.Keys != "" {
		if cfg.Keys, err = keys.Open(c.Keys); err != nil {
			return err
		}
		http := &cfg.Settings.Coordinator
		http.HTTPCert, http.HTTPKey, http.HTTPToken = cfg.Keys.HTTPCert(), cfg.Keys.HTTPKey(), cfg.Keys.HTTPToken()
	}
	st, err := stack.Start(ctx, cfg, a.log)
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
	going, err := unfinished(ctx, st.Conn(), c.Data)
	if err != nil {
		return errors.Join(err, st.Stop(context.WithoutCancel(ctx)))
	}
	if cfg.Keys != "" {
		fmt.Fprint(a.out, going, secured(cfg, st))
		return waitAndStop(ctx, a, st)
	}
	fmt.Fprint(a.out, going)
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

// secured is what a stack with keys says when it is up. The token is not in it, only its file.
func secured(cfg stack.Config, st *stack.Stack) string {
	k, http := cfg.Keys, st.HTTPAddr()
	if _, port, err := net.SplitHostPort(http); err == nil {
		http = net.JoinHostPort("localhost", port)
	}
	return fmt.Sprintf(`Myriad is up, with TLS and users. Data: %[1]s

  HTTP API   https://%[2]s       (its page asks for the token in %[3]s)
  NATS       %[4]s

Three things to try, from another terminal on this machine (elsewhere, put a name of the certificate in place of localhost):
  curl --cacert %[5]s -H "Authorization: Bearer $(cat %[3]s)" https://%[2]s/v1/runs
  MYRIAD_NATS_CA=%[5]s MYRIAD_NATS_NKEY=%[6]s myriad runs --server %[4]s
  nats -s %[4]s --tlsca %[5]s --nkey %[6]s --inbox-prefix %[7]s sub 'myriad.>' --translate 'myriad decode'

Ctrl-C stops.
`, cfg.DataDir, http, k.HTTPToken(), st.URL(), k.CA(), k.Seed(keys.CLI), inboxOf(k, keys.CLI))
}

// inboxOf is the prefix of the inboxes of a role's user.
func inboxOf(k keys.Dir, r keys.Role) string {
	users, err := k.Users()
	if err != nil {
		return bus.InboxRoot
	}
	i := slices.IndexFunc(users, func(u keys.User) bool { return u.Role == r })
	if i < 0 {
		return bus.InboxRoot
	}
	return bus.InboxPrefix(users[i].Public)
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
	variables(k, reflect.TypeFor[monitor.Config](), "MYRIAD_")
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
