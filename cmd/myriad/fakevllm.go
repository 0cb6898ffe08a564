package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/fakevllm"
)

type fakevllmCmd struct {
	Listen        string        `help:"Address to listen on." default:"127.0.0.1:8000" placeholder:"ADDR"`
	Model         string        `help:"Name of the model it serves." default:"fake" placeholder:"NAME"`
	MaxNumSeqs    int           `help:"Conversations it works on at a time; the others wait." default:"256" placeholder:"N"`
	Prefill       time.Duration `help:"Time for a token of a prompt that is not in the prefix cache, such as 50us." default:"0s" placeholder:"TIME"`
	PerToken      time.Duration `help:"Time for a token of an answer, such as 20ms." default:"0s" placeholder:"TIME"`
	Tokens        int           `help:"Mean length of a reasoned answer." default:"60" placeholder:"N"`
	Style         string        `help:"How it answers: 'plain' (the number or choice alone) or 'reasoned' (sentences before it)." enum:"plain,reasoned" default:"reasoned" placeholder:"STYLE"`
	Deterministic bool          `help:"Draw answers from the messages, so that a run can be repeated. Agents with equal prompts then get equal answers."`
	CacheBlocks   int           `help:"Size of the cache, in blocks of 16 tokens." default:"65536" placeholder:"N"`
	NoBatch       bool          `help:"Leave out the batch endpoint, like vLLM before 0.19."`
	APIKeyEnv     string        `name:"api-key-env" help:"Ask clients for the key in this environment variable." placeholder:"VAR"`
	Faults        string        `help:"What fails: 'FAULT:SHARE' of the requests, or 'FAULT@K' the K-th one; see below." placeholder:"FAULT:SHARE,…"`
	Seed          uint64        `help:"Seed of fresh draws and faults; without it each start differs." placeholder:"N"`
	Admin         string        `help:"Also listen here for commands that change faults, kill and revive it (see below). It asks for no key." placeholder:"ADDR"`
}

// Help is shown by --help.
func (fakevllmCmd) Help() string {
	var faults []string
	for _, f := range fakevllm.AllFaults() {
		faults = append(faults, string(f))
	}
	return `This is not a language model. It speaks the protocol of a vLLM server and says random numbers, choices and stock
sentences in the shape that is asked for, so that a path to a "real server" can be tried and measured without a GPU.
What its agents answer means nothing.

Faults: ` + strings.Join(faults, ", ") + `

Examples:
  myriad fakevllm
  myriad fakevllm --max-num-seqs 256 --prefill 50us --per-token 20ms --tokens 80
  myriad fakevllm --faults 429:0.02,reset:0.01,500@3
  myriad fakevllm --admin 127.0.0.1:8001
    curl -d 503-after:0.2 http://127.0.0.1:8001/fault
    curl -X POST http://127.0.0.1:8001/kill         and /revive
    curl http://127.0.0.1:8001/stats`
}

// Run serves until it is told to stop.
func (c *fakevllmCmd) Run(ctx context.Context, a *app) error {
	o, err := c.options()
	if err != nil {
		return err
	}
	s, err := fakevllm.New(o)
	if err != nil {
		return err
	}
	defer s.Close()
	url, err := s.Start()
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, `A look-alike of a vLLM server listens on %[1]s
It is not a language model: its answers are random draws in the right shape and mean nothing.

Try, from another terminal:
  %[3]s run examples/guess-two-thirds-llm.yaml --model player=openai:%[1]s:%[2]s --agents 1000
`, url, s.Model(), invocation())
	if c.APIKeyEnv != "" {
		fmt.Fprintf(a.out, "It asks for the key in %s.\n", c.APIKeyEnv)
	}
	stopAdmin := func() error { return nil }
	if c.Admin != "" {
		if stopAdmin, err = serveAdmin(ctx, a, s, c.Admin); err != nil {
			return err
		}
	}
	fmt.Fprintln(a.out, "\nCtrl-C stops.")
	watch(ctx, a.out, s)
	fmt.Fprintln(a.err, "Stopped.")
	return stopAdmin()
}

func (c *fakevllmCmd) options() (fakevllm.Options, error) {
	faults, err := fakevllm.ParseFaults(c.Faults)
	if err != nil {
		return fakevllm.Options{}, err
	}
	key := ""
	if c.APIKeyEnv != "" {
		if key = os.Getenv(c.APIKeyEnv); key == "" {
			return fakevllm.Options{}, fmt.Errorf("fakevllm: --api-key-env: %s is not set", c.APIKeyEnv)
		}
	}
	return fakevllm.Options{
		Addr: c.Listen, Model: c.Model, Key: key, MaxSeqs: c.MaxNumSeqs, CacheBlocks: c.CacheBlocks,
		Prefill: c.Prefill, PerToken: c.PerToken, Style: fakevllm.Style(c.Style), Tokens: c.Tokens,
		NoBatch: c.NoBatch, Deterministic: c.Deterministic, Seed: c.Seed, Faults: faults,
	}, nil
}

// serveAdmin listens for commands. The function it returns ends that.
func serveAdmin(ctx context.Context, a *app, s *fakevllm.Server, addr string) (func() error, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("fakevllm: --admin: %w", err)
	}
	server := &http.Server{Handler: s.Admin(), ReadHeaderTimeout: time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(l) }()
	fmt.Fprintf(a.out, "Commands are taken on http://%s (see --help).\n", l.Addr())
	return func() error {
		err := server.Close()
		if served := <-ended; !errors.Is(served, http.ErrServerClosed) {
			err = errors.Join(err, served)
		}
		return err
	}, nil
}

const watchEvery = 10 * time.Second

// watch prints a line of figures now and then while there is something to tell, until the command ends.
func watch(ctx context.Context, out io.Writer, s *fakevllm.Server) {
	ticker := time.NewTicker(watchEvery)
	defer ticker.Stop()
	var last fakevllm.Stats
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		now := s.Stats()
		if now.Requests > last.Requests || now.Completions > last.Completions || now.InFlight > 0 {
			fmt.Fprintln(out, figures(last, now))
		}
		last = now
	}
}

func figures(last, now fakevllm.Stats) string {
	line := fmt.Sprintf("%d completions (%.0f/s), %d running, %d waiting, %d prompt and %d answer tokens/s",
		now.Completions, float64(now.Completions-last.Completions)/watchEvery.Seconds(), now.Running, now.Waiting,
		(now.PromptTokens-last.PromptTokens)/uint64(watchEvery.Seconds()),
		(now.OutputTokens-last.OutputTokens)/uint64(watchEvery.Seconds()))
	if asked := now.PrefixQueries - last.PrefixQueries; asked > 0 {
		line += fmt.Sprintf(", prefix cache %.0f %%", 100*float64(now.PrefixHits-last.PrefixHits)/float64(asked))
	}
	var faults []string
	for f, n := range now.Faults {
		faults = append(faults, fmt.Sprintf("%s %d", f, n))
	}
	slices.Sort(faults)
	if len(faults) > 0 {
		line += ", faults: " + strings.Join(faults, ", ")
	}
	return line
}
