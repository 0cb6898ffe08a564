package chat

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/nats-io/nats.go"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// look is the time between looks at a connection on which signs of life cannot come through.
const look = 250 * time.Millisecond

// Why a call goes out again.
var (
	errNoProxy = errors.New("no llmproxy is running")
	errBusy    = errors.New("the llmproxy is busy")
	errLost    = errors.New("the llmproxy fell silent")
	errShort   = errors.New("the llmproxy said that it was done and was not")
)

// Ask is one conversation that wants a completion.
type Ask struct {
	Run      string // on whose account it is
	Model    *scenario.Model
	Messages []llm.Message
}

// Completion is what a model said.
type Completion struct {
	Text      string // valid UTF-8
	Cut       bool   // it ended at a limit of length
	TokensIn  uint32
	TokensOut uint32
	Served    string // the model, as its server names it
}

// Complete asks a model, and waits as long as ctx lets it: the deadline of ctx, if there is one, goes along. The error is
// one of this package's; wire.ErrBadRequest for what can never be sent; wire.ErrUnavailable where no proxy is running;
// wire.ErrStopped after Close; or that of ctx, with what was waited for.
func (c *Caller) Complete(ctx context.Context, a Ask) (Completion, error) {
	if a.Model.Behavioural() {
		return Completion{}, fmt.Errorf("%w: model %q (%s) plays the games of scenarios; only a language model (openai) can speak", wire.ErrBadRequest, a.Model.Name, a.Model.Provider)
	}
	model, err := msgpack.Marshal(a.Model)
	if err != nil {
		return Completion{}, fmt.Errorf("%w: model %q: %w", wire.ErrBadRequest, a.Model.Name, err)
	}
	r := &llm.Request{V: llm.Version, Run: a.Run, Model: model, Purpose: llm.PurposeInterview, Calls: []llm.Call{{Messages: a.Messages}}}
	if end, ok := ctx.Deadline(); ok {
		r.Deadline = end.UnixMilli()
	}
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = 50*time.Millisecond, c.lost
	for present := time.Now(); ; {
		got, err := c.try(ctx, subjects.Chat(a.Model.Name), r)
		switch {
		case err == nil:
			return read(got)
		case errors.Is(err, errNoProxy):
			if time.Since(present) > c.absent {
				return Completion{}, fmt.Errorf("%w: %w", wire.ErrUnavailable, err)
			}
		case errors.Is(err, errBusy), errors.Is(err, errLost), errors.Is(err, errShort):
			present = time.Now()
		default:
			return Completion{}, err
		}
		c.log.Debug("a model call goes out again", "run", a.Run, "model", a.Model.Name, "why", err)
		select {
		case <-time.After(pause.NextBackOff()):
		case <-c.closed:
			return Completion{}, stopped()
		case <-ctx.Done():
			return Completion{}, fmt.Errorf("model %s: %w: %w", a.Model.Name, err, context.Cause(ctx))
		}
	}
}

func stopped() error { return fmt.Errorf("%w: the client was closed", wire.ErrStopped) }

// try sends a request once and waits for what comes of it.
func (c *Caller) try(ctx context.Context, subject string, r *llm.Request) (*llm.Result, error) {
	select {
	case <-c.closed:
		return nil, stopped()
	default:
	}
	r.ID = c.id.Add(1)
	data, err := llm.EncodeRequest(r)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", wire.ErrTooLarge, err)
	}
	p := &call{end: make(chan ending, 1)}
	p.heard.Store(time.Now().UnixNano())
	c.mu.Lock()
	c.open[r.ID] = p
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.open, r.ID)
		c.mu.Unlock()
	}()
	switch err := c.nc.PublishRequest(subject, c.prefix+strconv.FormatUint(r.ID, 36), data); {
	case errors.Is(err, nats.ErrMaxPayload):
		return nil, fmt.Errorf("%w: a conversation of %d bytes: %w", wire.ErrTooLarge, len(data), err)
	case err != nil:
		return nil, fmt.Errorf("%w: model call: %w", wire.ErrUnavailable, err)
	}
	return c.wait(ctx, p)
}

// wait waits for a call. Silence counts only where a sign of life would have been seen.
func (c *Caller) wait(ctx context.Context, p *call) (*llm.Result, error) {
	var blind time.Time // until when signs of life could not be seen
	timer := time.NewTimer(c.lost)
	defer timer.Stop()
	for {
		select {
		case e := <-p.end:
			if e.err == nil && e.result.Refused == llm.RefusedBusy {
				e.err = errBusy
			}
			return e.result, e.err
		case <-c.closed:
			return nil, stopped()
		case <-ctx.Done():
			return nil, fmt.Errorf("the model did not answer: %w", context.Cause(ctx))
		case now := <-timer.C:
			if waiting, _, err := c.sub.Pending(); err != nil || waiting > 0 || !c.nc.IsConnected() {
				blind = now
				timer.Reset(look)
				continue
			}
			seen := time.Unix(0, p.heard.Load())
			if seen.Before(blind) {
				seen = blind
			}
			if left := c.lost - now.Sub(seen); left > 0 {
				timer.Reset(left)
				continue
			}
			return nil, errLost
		}
	}
}

// read takes the completion out of a result.
func read(r *llm.Result) (Completion, error) {
	if r.Refused != "" {
		if why, ok := strings.CutPrefix(r.Refused, llm.RefusedBudget); ok {
			return Completion{}, fmt.Errorf("%w: %s", ErrBudget, why)
		}
		return Completion{}, fmt.Errorf("%w: %s", ErrRefused, r.Refused)
	}
	if len(r.Error) > 0 && r.Error[0] != "" {
		if len(r.Rejected) > 0 {
			return Completion{}, fmt.Errorf("%w: %s", ErrRejected, r.Error[0])
		}
		return Completion{}, fmt.Errorf("%w: %s", ErrFailed, r.Error[0])
	}
	return Completion{
		Text: strings.ToValidUTF8(r.Text[0], "\uFFFD"), Cut: len(r.Cut) > 0,
		TokensIn: r.TokensIn[0], TokensOut: r.TokensOut[0], Served: r.Served,
	}, nil
}
