package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// dataFlags say where the runs are.
type dataFlags struct {
	Data   string `help:"Data directory of the stack that has the runs." default:"./myriad-data" placeholder:"DIR"`
	Server string `help:"NATS URL of a stack elsewhere, instead of a data directory." env:"MYRIAD_NATS_URL" placeholder:"URL"`
}

// dial connects to the server given, or to the stack that runs on the data directory; nil if none does.
func (f dataFlags) dial(ctx context.Context, a *app) (*nats.Conn, error) {
	url := f.Server
	if url == "" {
		if _, err := os.Stat(f.Data); errors.Is(err, os.ErrNotExist) {
			return nil, fmt.Errorf("there is no data directory %s yet; run a scenario first, or name it with --data", f.Data)
		}
		left, err := os.ReadFile(stack.AddressFile(f.Data))
		if err != nil {
			return nil, nil // nobody listens
		}
		url = strings.TrimSpace(string(left))
	}
	cfg, err := bus.LoadConnectConfig()
	if err != nil {
		return nil, err
	}
	cfg.URL, cfg.Name = url, "myriad-cli"
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	nc, err := bus.Connect(ctx, cfg, a.log)
	if err != nil && f.Server == "" {
		return nil, nil // the address is one of a stack that was killed
	}
	return nc, err
}

// connect reaches the log: on the server given, in a stack that runs on the data directory, or on the directory itself.
func (f dataFlags) connect(ctx context.Context, a *app) (*nats.Conn, func(), error) {
	nc, err := f.dial(ctx, a)
	if err != nil {
		return nil, nil, err
	}
	if nc != nil {
		return nc, nc.Close, nil
	}
	st, err := stack.Start(ctx, stack.Config{Services: []string{}, DataDir: f.Data}, a.log)
	if err != nil {
		return nil, nil, err
	}
	return st.Conn(), func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
		defer cancel()
		if err := st.Stop(ctx); err != nil {
			a.log.Warn("stopped with errors", "error", err)
		}
	}, nil
}

type runsCmd struct {
	dataFlags
}

// Help is shown by --help.
func (runsCmd) Help() string {
	return "Example:\n  myriad runs --data ./myriad-data"
}

// Run lists the runs, newest first.
func (c *runsCmd) Run(ctx context.Context, a *app) error {
	nc, done, err := c.connect(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	kv, err := js.KeyValue(ctx, subjects.BucketRuns)
	if err != nil {
		return fmt.Errorf("bucket %s: %w", subjects.BucketRuns, err)
	}
	runs, err := control.List(ctx, kv)
	if err != nil {
		return err
	}
	if len(runs) == 0 {
		fmt.Fprintln(a.out, "No runs yet.")
		return nil
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "RUN\tSTATE\tROUND\tAGENTS\tSEED\tCREATED\tRESULT HASH")
	for _, r := range runs {
		hash := r.Hash
		if len(hash) > 16 {
			hash = hash[:16]
		}
		fmt.Fprintf(w, "%s\t%s\t%d/%d\t%d\t%d\t%s\t%s\n", r.ID, r.State, r.Round, r.Rounds, r.Agents, r.Seed,
			r.Created.Local().Format(time.DateTime), hash)
	}
	return w.Flush()
}

type showCmd struct {
	ID     string `arg:"" name:"run" help:"Id of the run." placeholder:"RUN"`
	Agent  *int   `help:"Show this agent: persona and every reply." placeholder:"N"`
	Out    string `help:"Also write the result files into this directory." placeholder:"DIR"`
	JSON   bool   `name:"json" help:"Print only the summary, as JSON."`
	Faults bool   `help:"List all faults that the log tells of, not only the first."`
	formatFlags
	dataFlags
}

// Help is shown by --help.
func (showCmd) Help() string {
	return `Examples:
  myriad show guess-two-thirds-k7q2m4xa
  myriad show guess-two-thirds-k7q2m4xa --agent 17
  myriad show guess-two-thirds-k7q2m4xa --faults
  myriad show guess-two-thirds-k7q2m4xa --out results
  myriad show guess-two-thirds-k7q2m4xa --out results --format parquet`
}

// Run shows the run.
func (c *showCmd) Run(ctx context.Context, a *app) error {
	nc, done, err := c.connect(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	st, err := runlog.ReadControl(ctx, js, c.ID)
	if errors.Is(err, runlog.ErrNoRun) {
		return fmt.Errorf("there is no run %q; `%s runs` lists them", c.ID, invocation())
	}
	if err != nil {
		return err
	}
	if c.Agent != nil {
		return c.agent(ctx, a, js, st)
	}
	d := results.Report(st, reproduceCommand(st))
	scr := newScreen(a, c.JSON)
	scr.spent(ctx, js, st, &d.Summary)
	if c.JSON {
		return report.WriteJSON(a.out, d.Summary)
	}
	scr.printf("%s: %s, %d agents, seed %d, created %s\n", st.Run, st.Status(), st.Created.Agents, st.Scenario.Seed, st.CreatedAt.Local().Format(time.DateTime))
	if st.Reason != "" {
		scr.printf("%s\n", st.Reason)
	}
	if len(st.Rounds) > 0 {
		if err := scr.tables(d); err != nil {
			return err
		}
		faults := someFaults
		if c.Faults {
			faults = len(d.Summary.Receipt.FaultList)
		}
		scr.receipt(d.Summary, faults)
	}
	if c.Out != "" {
		err := writeFiles(ctx, js, st, d, c.Out, c.formats(), scr)
		if ctx.Err() != nil {
			return exitCode{130, "\nStopped before all result files were written."}
		}
		if err != nil {
			return err
		}
		scr.printf("Files in %s\n", c.Out)
	}
	return nil
}

// agent prints who an agent is and what it answered in closed rounds.
func (c *showCmd) agent(ctx context.Context, a *app, js jetstream.JetStream, st *runlog.State) error {
	n := *c.Agent
	if n < 0 || n >= st.Created.Agents {
		return fmt.Errorf("--agent %d: the run has agents 0..%d", n, st.Created.Agents-1)
	}
	if st.Population == "" {
		return fmt.Errorf("run %s has no population yet", st.Run)
	}
	pop, err := remote.Load(ctx, js, st.Population)
	if err != nil {
		return err
	}
	block := st.Scenario.BlockOf(n)
	fmt.Fprintf(a.out, "Agent %d of %s, block %s, model %s (%s)\n", n, st.Run, block.Name, block.Model, results.Note(*st.Scenario.Model(block.Model)))
	attributes := pop.Attributes(n)
	for _, name := range sortedKeys(attributes) {
		fmt.Fprintf(a.out, "  %s: %s\n", name, attributes[name])
	}
	if b, ok := pop.Lookup(n, population.AttrBackground); ok {
		fmt.Fprintf(a.out, "  %s\n", b)
	}
	return results.AgentRows(ctx, js, st, n, func(r *report.Row) error {
		_, err := fmt.Fprintf(a.out, "\nRound %d, %s: %s (%s)\n  %s\n", r.Round, r.Question, r.Value, r.Status, strings.ReplaceAll(r.Raw, "\n", "\n  "))
		return err
	})
}

type pauseCmd struct {
	ID string `arg:"" name:"run" help:"Id of the run." placeholder:"RUN"`
	dataFlags
}

// Help is shown by --help.
func (pauseCmd) Help() string {
	return "Nothing new is asked; what is under way still counts. The stack may be one of `myriad up` on the data directory, or elsewhere.\n\n" +
		"Examples:\n  myriad pause guess-two-thirds-k7q2m4xa --data ./myriad-data\n  myriad pause guess-two-thirds-k7q2m4xa --server nats://127.0.0.1:4222"
}

// Run pauses the run: nothing new is asked, what is in flight still counts.
func (c *pauseCmd) Run(ctx context.Context, a *app) error {
	return c.order(ctx, a, control.Pause, control.Order{Run: c.ID, Reason: "paused from the command line"})
}

type cancelCmd struct {
	ID string `arg:"" name:"run" help:"Id of the run." placeholder:"RUN"`
	dataFlags
}

// Help is shown by --help.
func (cancelCmd) Help() string {
	return "The run ends for good; what it has so far stays.\n\n" +
		"Examples:\n  myriad cancel guess-two-thirds-k7q2m4xa --data ./myriad-data\n  myriad cancel guess-two-thirds-k7q2m4xa --server nats://127.0.0.1:4222"
}

// Run cancels the run for good.
func (c *cancelCmd) Run(ctx context.Context, a *app) error {
	return c.order(ctx, a, control.Cancel, control.Order{Run: c.ID, Reason: "cancelled from the command line"})
}

func (f dataFlags) order(ctx context.Context, a *app, endpoint string, o control.Order) error {
	nc, done, err := f.connect(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	var info control.Info
	err = control.Ask(ctx, nc, endpoint, o, &info)
	if errors.Is(err, control.ErrNoCoordinator) {
		where := f.Data
		if f.Server != "" {
			where = f.Server
		}
		return fmt.Errorf("no stack is running on %s; start one with `%s up` (a run of `run` or `resume` is stopped with Ctrl-C)", where, invocation())
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s is %s\n", info.ID, info.State)
	return nil
}
