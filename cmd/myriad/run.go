package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stack"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// overrideFlags change a scenario without editing its file.
type overrideFlags struct {
	Agents *int              `help:"Number of agents." placeholder:"N"`
	Rounds *int              `help:"Number of rounds at most." placeholder:"N"`
	Seed   *uint64           `help:"Seed of all randomness." placeholder:"N"`
	Set    map[string]string `help:"Set a value of the scenario, e.g. --set vars.ratio=1/2. Repeatable." placeholder:"PATH=VALUE" mapsep:"none"`
	Model  map[string]string `help:"Use another model, e.g. --model player=openai:http://localhost:8000/v1:Qwen/Qwen2-7B-Instruct. Repeatable." placeholder:"NAME=SPEC" mapsep:"none"`
}

func (o overrideFlags) overrides() scenario.Overrides {
	return scenario.Overrides{Agents: o.Agents, Rounds: o.Rounds, Seed: o.Seed, Set: o.Set, Models: o.Model}
}

// outputFlags say where results go.
type outputFlags struct {
	Data string `help:"Directory of the run log and all other state." default:"./myriad-data" placeholder:"DIR"`
	Out  string `help:"Directory for result files; default ./myriad-results/RUN." placeholder:"DIR"`
	JSON bool   `name:"json" help:"Print only the summary, as JSON, on stdout; the rest goes to stderr."`
	formatFlags
}

type runCmd struct {
	File string `arg:"" help:"Scenario file (YAML)." placeholder:"FILE"`
	overrideFlags
	outputFlags
	Profile   string `help:"Write a CPU profile of the whole command, for go tool pprof." placeholder:"FILE"`
	ShardSize int    `help:"Agents a shard; results do not depend on it." default:"1024" placeholder:"N"`
}

// Help is shown by --help.
func (runCmd) Help() string {
	return `Examples:
  myriad run examples/guess-two-thirds.yaml
  myriad run examples/guess-two-thirds.yaml --agents 100000 --rounds 3 --seed 42
  myriad run examples/guess-two-thirds.yaml --set vars.ratio=1/2 --out half
  myriad run examples/guess-two-thirds.yaml --model player=openai:http://localhost:8000/v1:Qwen/Qwen2-7B-Instruct
  myriad run examples/guess-two-thirds.yaml --json | jq .result_hash

Ctrl-C stops within two seconds, keeps every answer, and prints the command that goes on.`
}

// Run plays the scenario.
func (c *runCmd) Run(ctx context.Context, a *app) error {
	source, err := os.ReadFile(c.File)
	if err != nil {
		return fmt.Errorf("read the scenario: %w", err)
	}
	sc, err := scenario.Load(c.File, source, c.overrides())
	if err != nil {
		return err
	}
	if c.Profile != "" {
		stop, err := profile(c.Profile)
		if err != nil {
			return err
		}
		defer stop()
	}
	s, err := c.open(ctx, a, true)
	if err != nil {
		return err
	}
	defer s.close(ctx)
	s.introduce(sc)
	info, err := s.order(ctx, control.Submit, control.Submission{
		File: c.File, Source: string(source), Overrides: c.overrides(), ShardSize: c.ShardSize,
	})
	if err != nil {
		return err
	}
	return s.play(ctx, info)
}

// session is a stack, in this process or elsewhere, and the screen it reports to.
type session struct {
	*screen
	flags  outputFlags
	app    *app
	stack  *stack.Stack // nil: it runs elsewhere
	server string       // NATS URL that was named; "": none was
	nc     *nats.Conn
	js     jetstream.JetStream

	ledger ledger // what the run that is played has spent
}

// open starts all services on an embedded server that serves only this process.
func (f outputFlags) open(ctx context.Context, a *app, create bool) (*session, error) {
	if _, err := os.Stat(f.Data); !create && errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no data directory %s; name it with --data", f.Data)
	}
	scr := newScreen(a, f.JSON)
	scr.printf("Data: %s\n", f.Data)
	set, err := stack.FromEnv()
	if err != nil {
		return nil, err
	}
	set.Coordinator.HTTP = ""
	set.Coordinator.Adopt = false // unfinished runs of the directory wait for `myriad resume`
	st, err := stack.Start(ctx, stack.Config{Settings: set, DataDir: f.Data}, a.log)
	if err != nil {
		return nil, err
	}
	js, err := jetstream.New(st.Conn())
	if err != nil {
		return nil, errors.Join(err, st.Stop(context.WithoutCancel(ctx)))
	}
	return &session{screen: scr, flags: f, app: a, stack: st, nc: st.Conn(), js: js}, nil
}

// stopWithin bounds the stop of everything after the end or a Ctrl-C.
const stopWithin = 1500 * time.Millisecond

func (s *session) close(ctx context.Context) {
	if s.stack == nil {
		s.nc.Close()
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopWithin)
	defer cancel()
	if err := s.stack.Stop(ctx); err != nil {
		s.app.log.Warn("stopped with errors", "error", err)
	}
}

func (s *session) order(ctx context.Context, endpoint string, in any) (control.Info, error) {
	var info control.Info
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	return info, control.Ask(ctx, s.nc, endpoint, in, &info)
}

// exitPaused is the exit code of a run that was paused.
const exitPaused = 3

// play follows a run to its end, or to a pause, and reports.
func (s *session) play(ctx context.Context, info control.Info) error {
	s.printf("Run:  %s\n\n", info.ID)
	s.round = max(0, info.Round-1)
	if f := info.Fork; f != nil && info.Round <= f.Round { // rounds of another run are not shown as played
		s.round, s.inherited = f.Round, f.Round
	}
	s.ledger = ledger{since: time.Now()}
	watch, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if s.stack != nil {
		go func() { cancel(s.stack.Wait(watch)) }()
	}
	last, err := s.follow(watch, info)
	switch {
	case ctx.Err() != nil:
		return s.interrupted(ctx, info.ID)
	case err != nil:
		return errors.Join(context.Cause(watch), err)
	}
	st, err := runlog.ReadControl(ctx, s.js, info.ID)
	if err != nil {
		return err
	}
	if len(st.Rounds) > 0 {
		if err := s.report(ctx, st); err != nil {
			return err
		}
	}
	switch last.State {
	case "finished":
		return nil
	case "paused":
		return exitCode{exitPaused, fmt.Sprintf("\nPaused: %s\n%s", last.Reason, s.howToGoOn(ctx, info.ID))}
	}
	return exitCode{1, fmt.Sprintf("\nThe run %s: %s", last.State, last.Reason)}
}

// interrupted pauses the run durably and says how to go on.
func (s *session) interrupted(ctx context.Context, run string) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	s.leave(false)
	if s.stack == nil {
		return exitCode{130, fmt.Sprintf("\nThe run goes on where it is. Look at it with:\n  %s", s.command("show", run))}
	}
	if _, err := s.order(ctx, control.Pause, control.Order{Run: run, Reason: "interrupted"}); err != nil {
		s.app.log.Warn("pause not recorded; the run can be resumed all the same", "error", err)
	}
	return exitCode{130, fmt.Sprintf("\nStopped. Every answer so far is on disk. Go on with:\n  %s", s.resumeCommand(run))}
}

// command is one that finds a run where this one did.
func (s *session) command(name, run string) string {
	cmd := invocation() + " " + name + " " + run
	if s.flags.Data != "./myriad-data" {
		cmd += " --data " + quote(s.flags.Data)
	}
	if s.server != "" {
		cmd += " --server " + quote(s.server)
	}
	return cmd
}

func (s *session) resumeCommand(run string) string {
	cmd := s.command("resume", run)
	if s.flags.Out != "" {
		cmd += " --out " + quote(s.flags.Out)
	}
	if chosen := s.flags.formats(); len(chosen) < len(report.Formats()) {
		cmd += " --format " + strings.Join(formatNames(chosen), ",")
	}
	if s.flags.JSON {
		cmd += " --json"
	}
	return cmd
}

// invocation is how this program was called, so that printed commands work when pasted.
func invocation() string {
	if strings.Contains(os.Args[0], "go-build") {
		return "go run ./cmd/myriad"
	}
	if filepath.Base(os.Args[0]) == os.Args[0] {
		return os.Args[0]
	}
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, os.Args[0]); err == nil && !strings.HasPrefix(rel, "..") {
			return "./" + rel
		}
	}
	return os.Args[0]
}

func quote(s string) string {
	if strings.IndexFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-=:", r)
	}) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

func (s *session) introduce(sc *scenario.Scenario) {
	s.printf("%s: %d agents, %s\n", sc.Name, sc.Population.Size, plural(sc.Rounds, "round", "rounds at most"))
	for _, b := range sc.Blocks {
		m := sc.Model(b.Model)
		s.printf("  %s: %d agents played by %s (%s)\n", b.Name, b.Count, m.Name, results.Note(*m))
	}
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}
