package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"slices"
	"time"

	"github.com/myriad-sim/myriad/internal/bench"
	"github.com/myriad-sim/myriad/internal/fakevllm"
)

// ChildCommand is the command of the program that calls Child with its argument and prints the figures as JSON.
const ChildCommand = "bench-gateway-child"

// upWait bounds the start of all processes of a measurement.
const upWait = time.Minute

var (
	serverIsUp  = regexp.MustCompile(`listens on (http://\S+)`)
	adminIsUp   = regexp.MustCompile(`Commands are taken on (http://\S+)`)
	plainIsUp   = regexp.MustCompile(plainUp[:len(plainUp)-1])
	errNoFigure = errors.New("the process gave no figures")
)

// setup says which processes a measurement needs.
type setup struct {
	servers   int
	flags     []string // of each server
	proxy     bool
	env       []string // of the proxy
	profile   string   // file for the proxy's CPU profile; "" makes none
	responder *Load    // nil: there is none
}

// bed is processes that are measured. Between there is the one who asks, which load starts.
type bed struct {
	program, dir string
	nats         string
	servers      []*server
	broker       *bench.Process // nil: there is none
	between      *bench.Process // the proxy or the responder; nil: there is none
	all          []*bench.Process
}

// server is a look-alike of a model server.
type server struct {
	*bench.Process
	url, admin string
}

// on starts what is needed, has it used, and stops it.
func (l *lab) on(ctx context.Context, s setup, use func(*bed) (bench.Figures, error)) (bench.Figures, error) {
	dir, err := os.MkdirTemp(l.dir, "myriad-bench-")
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	b := &bed{program: l.program, dir: dir}
	err = b.start(ctx, s)
	var out bench.Figures
	if err == nil {
		out, err = use(b)
	}
	for _, p := range slices.Backward(b.all) {
		_, stopped := p.Stop(ctx)
		err = errors.Join(err, stopped)
	}
	return out, errors.Join(err, os.RemoveAll(dir))
}

func (b *bed) start(ctx context.Context, s setup) error {
	waiting, cancel := context.WithTimeoutCause(ctx, upWait, fmt.Errorf("%w: not all is up after %v", bench.ErrProcess, upWait))
	defer cancel()
	for range s.servers {
		args := append([]string{"fakevllm", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--style", "plain"}, s.flags...)
		p, err := b.add(ctx, nil, args...)
		if err != nil {
			return err
		}
		one := &server{Process: p}
		b.servers = append(b.servers, one)
		if one.url, err = p.Says(waiting, &p.Out, serverIsUp); err != nil {
			return err
		}
		if one.admin, err = p.Says(waiting, &p.Out, adminIsUp); err != nil {
			return err
		}
	}
	if !s.proxy && s.responder == nil {
		return nil
	}
	var err error
	if b.broker, err = b.add(ctx, nil, "up", "--services", "none", "--nats", "127.0.0.1:0", "--data", "data"); err != nil {
		return err
	}
	if b.nats, err = b.broker.Says(waiting, &b.broker.Out, bench.BrokerIsUp); err != nil {
		return err
	}
	if s.responder != nil {
		if b.between, err = b.child(ctx, *s.responder); err == nil {
			_, err = b.between.Says(waiting, &b.between.Out, plainIsUp)
		}
		return err
	}
	args := []string{"llmproxy"}
	if s.profile != "" {
		args = append(args, "--profile", s.profile)
	}
	if b.between, err = b.add(ctx, append([]string{"MYRIAD_NATS_URL=" + b.nats}, s.env...), args...); err == nil {
		_, err = b.between.Says(waiting, &b.between.Err, bench.ServiceIsUp)
	}
	return err
}

// add starts a process that stops with the bed.
func (b *bed) add(ctx context.Context, env []string, args ...string) (*bench.Process, error) {
	p, err := bench.Start(ctx, b.dir, env, b.program, args...)
	if err == nil {
		b.all = append(b.all, p)
	}
	return p, err
}

// child starts a process that plays a load, on the servers and the broker that there are.
func (b *bed) child(ctx context.Context, l Load) (*bench.Process, error) {
	l.NATS = b.nats
	for _, s := range b.servers {
		l.Servers = append(l.Servers, s.url)
	}
	text, err := json.Marshal(&l)
	if err != nil {
		return nil, fmt.Errorf("gateway: %w", err)
	}
	if l.Kind == asResponder {
		return b.add(ctx, nil, ChildCommand, string(text))
	}
	return bench.Start(ctx, b.dir, nil, b.program, ChildCommand, string(text))
}

// load plays a load in a process of its own and adds what was seen of the others meanwhile.
func (b *bed) load(ctx context.Context, l Load) (bench.Figures, error) {
	before, err := b.look(ctx)
	if err != nil {
		return nil, err
	}
	p, err := b.child(ctx, l)
	if err != nil {
		return nil, err
	}
	watching, enough := context.WithCancel(ctx)
	seen := make(chan watched, 1)
	go func() { seen <- b.watch(watching) }()
	took, err := p.Wait(ctx)
	enough()
	during := <-seen
	if err != nil {
		return nil, err
	}
	var got bench.Figures
	if err := json.Unmarshal([]byte(p.Out.Text()), &got); err != nil || got == nil {
		return nil, fmt.Errorf("%w: %w: %w", bench.ErrProcess, errNoFigure, err)
	}
	after, err := b.look(ctx)
	if err != nil {
		return nil, err
	}
	during.add(got)
	after.add(got, before)
	got[ClientCPU] = took[bench.CPU] / got[Answered]
	return got, nil
}

// stats are what a server counted.
func (s *server) stats(ctx context.Context) (fakevllm.Stats, error) {
	var st fakevllm.Stats
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.admin+"/stats", nil)
	if err != nil {
		return st, fmt.Errorf("gateway: %w", err)
	}
	resp, err := http.DefaultClient.Do(req) //nolint:forbidigo // our own child, on loopback, until ctx ends
	if err != nil {
		return st, fmt.Errorf("gateway: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read below
	if err := json.NewDecoder(resp.Body).Decode(&st); err != nil {
		return st, fmt.Errorf("gateway: figures of a server: %w", err)
	}
	return st, nil
}
