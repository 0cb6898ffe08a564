// Command myriad runs simulations with very many agents: see `myriad --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/myriad-sim/myriad/internal/actor"
	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// cli is the command line.
type cli struct {
	Verbose bool `short:"v" help:"Log what the services do, on stderr."`

	Run           runCmd           `cmd:"" help:"Play a scenario from start to end, with everything in this process."`
	Resume        resumeCmd        `cmd:"" help:"Go on with a run that was stopped or paused."`
	Replay        replayCmd        `cmd:"" help:"Play a run again without asking any model, and compare the results."`
	Fork          forkCmd          `cmd:"" help:"Begin a run where another one was after some round, with changes."`
	Up            upCmd            `cmd:"" help:"Keep a stack running: NATS, the five services and the HTTP API, on loopback."`
	Init          initCmd          `cmd:"" help:"Write a commented scenario to start from."`
	Validate      validateCmd      `cmd:"" help:"Check a scenario and say what it will do."`
	Preview       previewCmd       `cmd:"" help:"Show the exact messages an agent would send, without asking any model."`
	Estimate      estimateCmd      `cmd:"" help:"Forecast calls, tokens, cost and time of a run, without asking any model."`
	Schema        schemaCmd        `cmd:"" help:"Print the JSON Schema of scenario files, for editors."`
	Runs          runsCmd          `cmd:"" help:"List runs."`
	Show          showCmd          `cmd:"" help:"Show the results of a run, or what one of its agents did."`
	Verify        verifyCmd        `cmd:"" help:"Read the log of a run again and say whether it is intact, or where it is damaged."`
	Pause         pauseCmd         `cmd:"" help:"Pause a run of a running stack."`
	Cancel        cancelCmd        `cmd:"" help:"Cancel a run of a running stack."`
	Hosts         hostsCmd         `cmd:"" help:"List the agent hosts of a running stack, or drain one."`
	Ask           askCmd           `cmd:"" help:"Ask an agent, a host, an environment or a hub of a running stack."`
	Conformance   conformanceCmd   `cmd:"" help:"Check whether an agent in any language speaks the protocol."`
	Decode        decodeCmd        `cmd:"" help:"Turn msgpack payloads on stdin into JSON lines."`
	Bench         benchCmd         `cmd:"" help:"Measure how fast Myriad is on this machine, beside goroutines and asyncio."`
	BenchLLMProxy benchLLMProxyCmd `cmd:"" name:"bench-llmproxy" help:"Measure the model gateway on this machine, beside clients that do without it."`
	Fakevllm      fakevllmCmd      `cmd:"" help:"Serve a look-alike of a vLLM server, for trying things without a GPU."`

	Agenthost   serviceCmd `cmd:"" group:"services" help:"Run only the agent host, on a NATS server elsewhere."`
	Environment serviceCmd `cmd:"" group:"services" help:"Run only the environment service."`
	Coordinator serviceCmd `cmd:"" group:"services" help:"Run only the coordinator, with its HTTP API."`
	Bgen        serviceCmd `cmd:"" group:"services" help:"Run only the population service."`
	Llmproxy    serviceCmd `cmd:"" group:"services" help:"Run only the model gateway."`

	Health  healthCmd  `cmd:"" help:"Ask a process of the stack whether it can work (exit code 0 or 1)."`
	Keys    keysCmd    `cmd:"" help:"Make certificates, users and permissions, to leave loopback."`
	Version versionCmd `cmd:"" help:"Print the version."`

	BenchChild        benchChildCmd        `cmd:"" hidden:"" name:"bench-child"`
	BenchGatewayChild benchGatewayChildCmd `cmd:"" hidden:"" name:"bench-gateway-child"`
}

const about = `Myriad plays simulations with very many agents from one YAML file.

  myriad run examples/guess-two-thirds.yaml      play a game with 1,000 agents
  myriad init my-study && myriad run my-study.yaml
  myriad up                                      a stack with HTTP API and NATS, see http://127.0.0.1:8080`

// app is what commands work with.
type app struct {
	out, err io.Writer
	log      *slog.Logger
}

// exitCode ends the program with a code of its own and, if it has one, a message.
type exitCode struct {
	code int
	msg  string
}

func (e exitCode) Error() string { return e.msg }

func main() {
	// The first signal ends the work in order; a second one ends the process at once.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	code := realMain(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func realMain(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	if actor.IsChild() { // of an agent host, with one agent to serve
		if err := actor.ChildMain(ctx, agent.NewRegistry(), slog.New(slog.NewTextHandler(stderr, nil))); err != nil {
			fmt.Fprintln(stderr, "myriad:", err)
			return 1
		}
		return 0
	}
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("myriad"), kong.Description(about), kong.UsageOnError(), kong.Writers(stdout, stderr),
		kong.ExplicitGroups([]kong.Group{{Key: "services", Title: "Single services:"}}),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true, WrapUpperBound: 100}),
		kong.ValueFormatter(flagHelp),
		kong.Exit(func(code int) { exited = code }),
		kong.Help(help))
	if err != nil {
		fmt.Fprintln(stderr, "myriad:", err)
		return 2
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	k, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintln(stderr, "myriad:", err)
		fmt.Fprintln(stderr, "Try: myriad", strings.TrimSpace(subcommand(args)+" --help"))
		return 2
	}
	level := slog.LevelWarn
	if c.Verbose {
		level = slog.LevelDebug
	}
	a := &app{out: stdout, err: stderr, log: slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: level}))}
	k.BindTo(ctx, (*context.Context)(nil))
	if err := k.Run(a); err != nil {
		return a.explain(err)
	}
	return 0
}

// subcommand is the command of a command line, "" if it names none.
func subcommand(args []string) string {
	for _, a := range args {
		if !strings.HasPrefix(a, "-") {
			for f := range reflect.TypeFor[cli]().Fields() {
				if _, ok := f.Tag.Lookup("cmd"); ok && strings.EqualFold(f.Name, a) {
					return a
				}
			}
			return ""
		}
	}
	return ""
}

// flagHelp is a flag's text with its default.
func flagHelp(v *kong.Value) string {
	if v.Flag != nil && v.HasDefault && v.Default != "" {
		return fmt.Sprintf("%s (default %s)", strings.TrimSuffix(v.Help, "."), v.Default)
	}
	return kong.DefaultHelpValueFormatter(v)
}

// explain prints an error so that a person can act on it, and returns the exit code.
func (a *app) explain(err error) int {
	if code, ok := errors.AsType[exitCode](err); ok {
		if code.msg != "" {
			fmt.Fprintln(a.err, code.msg)
		}
		return code.code
	}
	if invalid, ok := errors.AsType[scenario.Errors](err); ok {
		for i, e := range invalid {
			if i > 0 {
				fmt.Fprintln(a.err)
			}
			fmt.Fprintln(a.err, e.Detail())
		}
		return 1
	}
	var p *control.Problem
	if errors.As(err, &p) && p.Code == "not_found" {
		fmt.Fprintf(a.err, "myriad: %s; `%s runs` lists them\n", p.Detail, invocation())
		return 1
	}
	fmt.Fprintln(a.err, "myriad:", err)
	if p != nil {
		for _, l := range p.Lines {
			fmt.Fprintln(a.err, l)
		}
	}
	return 1
}
