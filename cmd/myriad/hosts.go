package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/hosts"
)

type hostsCmd struct {
	List    hostsListCmd `cmd:"" default:"withargs" help:"List the agent hosts that live; what 'hosts' alone does."`
	Drain   drainCmd     `cmd:"" help:"Have a host give its shards to the others."`
	Undrain undrainCmd   `cmd:"" help:"Let a host that was drained take work again."`
}

// Help is shown by --help.
func (hostsCmd) Help() string {
	return `Examples:
  myriad hosts
  myriad hosts drain host-1 --wait 60s
  myriad hosts undrain host-1`
}

// stackFlags say which stack is meant, and how the answer is printed.
type stackFlags struct {
	JSON bool `name:"json" help:"Print JSON."`
	dataFlags
}

// hostTimeout bounds one request to a coordinator about hosts. One that was killed with the request in hand never answers.
const hostTimeout = 6 * time.Second

// ask asks a coordinator of the stack.
func (f stackFlags) ask(ctx context.Context, nc *nats.Conn, endpoint string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, hostTimeout)
	defer cancel()
	err := control.Ask(ctx, nc, endpoint, in, out)
	var p *control.Problem
	switch {
	case errors.Is(err, control.ErrNoCoordinator):
		return fmt.Errorf("%w; start a stack with `%s up`, or name one with --server or --data", control.ErrNoCoordinator, invocation())
	case errors.As(err, &p) && p.Code == "not_found":
		return fmt.Errorf("%s; `%s hosts` lists them", p.Detail, invocation())
	case errors.As(err, &p):
		return errors.New(p.Detail)
	}
	return err
}

func (f stackFlags) list(ctx context.Context, nc *nats.Conn) ([]hosts.Status, error) {
	var l hosts.Listing
	err := f.ask(ctx, nc, hosts.EndpointList, struct{}{}, &l)
	return l.Hosts, err
}

type hostsListCmd struct {
	stackFlags
}

// Help is shown by --help.
func (hostsListCmd) Help() string {
	return `A host that has been silent for three seconds is not listed any more.

Examples:
  myriad hosts
  myriad hosts --json
  myriad hosts drain host-1 --wait 60s`
}

// Run lists the hosts.
func (c *hostsListCmd) Run(ctx context.Context, a *app) error {
	nc, done, err := c.connect(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	list, err := c.list(ctx, nc)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a, list)
	}
	if len(list) == 0 {
		fmt.Fprintln(a.out, "No agent host is running; runs wait for one.")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "HOST\tADDRESS\tSTATE\tAGENTS\tSHARDS\tIN FLIGHT\tCPU\tMEMORY\tSINCE")
	for _, h := range list {
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%d\t%d\t%.2f of %d\t%d MiB\t%s\n", h.ID, h.Address, h.State, h.Agents, h.Shards, h.InFlight,
			h.CPU, h.CPUs, h.MemoryBytes>>20, h.Started.Local().Format(time.DateTime))
	}
	return w.Flush()
}

func printJSON(a *app, v any) error {
	e := json.NewEncoder(a.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

type drainCmd struct {
	ID   string        `arg:"" optional:"" name:"host" env:"MYRIAD_AGENTHOST_ID" help:"Id of the host; without it that of the environment variable, so that a host's own container can say it." placeholder:"HOST"`
	Wait time.Duration `help:"Wait until the host has nothing left, at most so long; after that the exit code is 1." placeholder:"DURATION"`
	stackFlags
}

// Help is shown by --help.
func (drainCmd) Help() string {
	return `The host begins no new turns and ends what it has begun. Its shards go to the other hosts as soon as nothing of them is
under way, or after a minute; then what is unanswered is asked again there. Nothing is lost, and results are the same.
Code agents stay: they belong to the id of their host and come back with it. A drained host stays drained until it is
restarted, or told to undrain. The last host that takes work is refused.

Examples:
  myriad hosts drain host-1
  myriad hosts drain host-1 --wait 60s && kill $PID_OF_HOST_1`
}

// Run drains the host.
func (c *drainCmd) Run(ctx context.Context, a *app) error {
	if c.ID == "" {
		return fmt.Errorf("which host? name one; `%s hosts` lists them", invocation())
	}
	nc, done, err := c.connect(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	var st hosts.Status
	if err := c.ask(ctx, nc, hosts.EndpointDrain, hosts.Order{ID: c.ID}, &st); err != nil {
		return err
	}
	if !c.JSON {
		fmt.Fprintf(a.out, "%s drains: it begins no new turns, and its %d shards go to the other hosts.\n", st.ID, st.Shards)
		if st.CodeAgents > 0 {
			fmt.Fprintf(a.out, "Its %d code agents stay with it: they are there again when a host starts under this id.\n", st.CodeAgents)
		}
	}
	if c.Wait > 0 {
		if st, err = c.wait(ctx, a, nc, st); err != nil {
			return err
		}
	}
	switch {
	case c.JSON:
		return printJSON(a, st)
	case st.State == hosts.StateDrained:
		fmt.Fprintf(a.out, "%s is drained.\n", st.ID)
	}
	return nil
}

// drainLook is the pause between two looks at a host that drains.
const drainLook = 200 * time.Millisecond

// wait waits until a host is drained. A coordinator that is away meanwhile does not matter: the host keeps in mind that it
// drains.
func (c *drainCmd) wait(ctx context.Context, a *app, nc *nats.Conn, st hosts.Status) (hosts.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, c.Wait)
	defer cancel()
	look := time.NewTicker(drainLook)
	defer look.Stop()
	said := ""
	for st.State != hosts.StateDrained {
		if text := fmt.Sprintf("%s: %d shards left, %d agents in flight", st.ID, st.Shards, st.InFlight); text != said {
			fmt.Fprintln(a.err, text)
			said = text
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return st, fmt.Errorf("%s still has %d shards after %v; it goes on draining", st.ID, st.Shards, c.Wait)
		}
		list, err := c.list(ctx, nc)
		if errors.Is(err, control.ErrNoCoordinator) || errors.Is(err, context.DeadlineExceeded) {
			continue
		}
		if err != nil {
			return st, err
		}
		at := slices.IndexFunc(list, func(h hosts.Status) bool { return h.ID == st.ID })
		switch {
		case at < 0:
			return st, fmt.Errorf("%s has gone before it was drained; its shards are taken over", st.ID)
		case list[at].Incarnation != st.Incarnation || !list[at].Draining:
			return st, fmt.Errorf("%s takes work again: it was restarted, or told to undrain", st.ID)
		}
		st = list[at]
	}
	return st, nil
}

type undrainCmd struct {
	ID string `arg:"" name:"host" help:"Id of the host." placeholder:"HOST"`
	stackFlags
}

// Help is shown by --help.
func (undrainCmd) Help() string {
	return "It gets shards again when the next round opens, or sooner.\n\nExample:\n  myriad hosts undrain host-1"
}

// Run lets the host take work again.
func (c *undrainCmd) Run(ctx context.Context, a *app) error {
	nc, done, err := c.connect(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	var st hosts.Status
	if err := c.ask(ctx, nc, hosts.EndpointUndrain, hosts.Order{ID: c.ID}, &st); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(a, st)
	}
	fmt.Fprintf(a.out, "%s takes work again.\n", st.ID)
	return nil
}
