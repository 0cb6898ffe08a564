package gateway

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/bench"
)

// Kinds of loads.
const (
	byHTTP      = "direct"    // a client of the servers
	byOwnClient = "own"       // the client that llmproxy has, without llmproxy
	byGateway   = "host"      // through llmproxy
	byRounds    = "rounds"    // the same, round by round
	byRequests  = "plain"     // a NATS request for each call
	asResponder = "responder" // who answers those
)

// Load is what a process of a measurement does.
type Load struct {
	Kind     string        `json:"kind"`
	NATS     string        `json:"nats"`
	Servers  []string      `json:"servers"`   // base URLs
	InFlight int           `json:"in_flight"` // calls at a time
	Request  int           `json:"request"`   // calls of a request to the gateway, conversations of a batch; direct: 0 is single calls
	Places   int           `json:"places"`    // calls in flight at a server; 0: as many as the gateway finds good; of a responder: goroutines, 0 is none
	Rate     float64       `json:"rate"`      // calls a second; 0: as many as are answered
	Burst    int           `json:"burst"`     // direct calls that are sent together at a rate
	Warm     time.Duration `json:"warm"`
	For      time.Duration `json:"for"`
	Reasoned bool          `json:"reasoned"` // the question leaves room for reasons
	Groups   int           `json:"groups"`   // of agents with a system prompt of their own, for rounds
	Agents   int           `json:"agents"`   // of a group
	Rounds   int           `json:"rounds"`
}

// loadWait bounds a load beyond its time.
const loadWait = 3 * time.Minute

// Child plays a load, given as JSON, in this process and returns its figures; a responder writes a line to out when it is
// up, and has none. Errors: bench.ErrOption, bench.ErrLost if a call had no answer or more than one, or those of NATS.
func Child(ctx context.Context, text string, out io.Writer) (bench.Figures, error) {
	l := new(Load)
	if err := json.Unmarshal([]byte(text), l); err != nil {
		return nil, fmt.Errorf("%w: a load: %w", bench.ErrOption, err)
	}
	var nc *nats.Conn
	if l.NATS != "" {
		var err error
		if nc, err = nats.Connect(l.NATS, nats.Name("myriad-bench"), nats.NoReconnect()); err != nil {
			return nil, fmt.Errorf("gateway: connect: %w", err)
		}
		defer nc.Close()
	}
	if l.Kind == asResponder {
		return nil, respond(ctx, nc, l, out)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, l.Warm+l.For+loadWait, fmt.Errorf("%w: calls are not answered", bench.ErrLost))
	defer cancel()
	m := new(meter)
	play, err := l.player(nc, m)
	if err != nil {
		return nil, err
	}
	if l.Kind == byRounds {
		if err := play(ctx, ctx); err != nil {
			return nil, err
		}
		return m.figures()
	}
	asking, enough := context.WithCancel(ctx)
	defer enough()
	played := make(chan error, 1)
	go func() { played <- play(ctx, asking) }()
	rate, windowErr := m.window(ctx, l)
	enough()
	if err := <-played; err != nil {
		return nil, err
	}
	if windowErr != nil {
		return nil, windowErr
	}
	got, err := m.figures()
	if err != nil {
		return nil, err
	}
	got[Rate] = rate
	return got, nil
}

// player is what plays the load: until the second context ends, with calls that last as long as the first.
func (l *Load) player(nc *nats.Conn, m *meter) (func(ctx, asking context.Context) error, error) {
	switch l.Kind {
	case byHTTP:
		d := newDirect(l.Servers, max(l.InFlight, 64))
		return func(ctx, asking context.Context) error {
			defer d.close()
			d.run(ctx, asking, l, m)
			return nil
		}, nil
	case byOwnClient:
		o := newOwn(l.Servers[0])
		return func(ctx, asking context.Context) error {
			defer o.close()
			o.run(ctx, asking, l, m)
			return nil
		}, nil
	case byGateway:
		h, err := newHost(nc, l, m)
		if err != nil {
			return nil, err
		}
		return func(ctx, asking context.Context) error { return h.run(ctx, asking, l) }, nil
	case byRounds:
		h, err := newHost(nc, l, m)
		if err != nil {
			return nil, err
		}
		return func(ctx, _ context.Context) error { return h.rounds(ctx, l) }, nil
	case byRequests:
		return func(ctx, asking context.Context) error {
			request(ctx, asking, nc, l, m)
			return nil
		}, nil
	}
	return nil, fmt.Errorf("%w: there is no load %q", bench.ErrOption, l.Kind)
}
