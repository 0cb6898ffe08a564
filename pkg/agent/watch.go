package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Times of a watch.
const (
	watchAfter = time.Second           // nearly all requests are answered before
	watchEvery = time.Second           // between two looks
	missing    = 3                     // looks in a row at which nobody is there
	uncertain  = 5 * time.Second       // that an answer has to come after our connection was away
	slack      = 10 * time.Millisecond // uptimes are whole milliseconds; no host starts again within this
)

// watch looks after a request whose answer takes long. NATS does not say when a program dies with a request, nor when a
// broker that goes away takes it along; without a watch whoever waits would wait for ever. A host that answers, and runs for
// longer than the request is old, still has it.
type watch struct {
	client  *Client
	subject string
	sent    atomic.Int64 // when the request was last sent, in nanoseconds since begun
	begun   time.Time
	away    uint64 // how often the connection had been lost by then

	timer *time.Timer
	ended chan struct{}
	end   context.CancelCauseFunc
}

// watched sends a request and waits for the answer as long as somebody may have it.
func (c *Client) watched(ctx context.Context, subject string, r wire.Request) (msg.Msg, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	w := &watch{client: c, subject: subject, begun: time.Now(), away: c.nc.Stats().Reconnects, ended: make(chan struct{}), end: cancel}
	w.timer = time.AfterFunc(watchAfter, func() {
		defer close(w.ended)
		w.look(ctx)
	})
	defer w.stop()
	return sendOn(ctx, c.nc, subject, r, func() { w.sent.Store(int64(time.Since(w.begun))) })
}

func (w *watch) stop() {
	if !w.timer.Stop() {
		w.end(nil)
		<-w.ended
	}
}

// look looks again and again, and ends the waiting when there is nothing to wait for.
func (w *watch) look(ctx context.Context) {
	t := time.NewTicker(watchEvery)
	defer t.Stop()
	missed := 0
	var back time.Time // since when our own connection is there again
	for {
		nc := w.client.nc
		switch {
		case !nc.IsConnected():
			missed, back = 0, time.Time{}
		case nc.Stats().Reconnects != w.away && back.IsZero():
			missed, back = 0, time.Now()
		case !back.IsZero() && time.Since(back) > uncertain:
			w.end(fmt.Errorf("%w: the connection to the broker was lost meanwhile; whether it was done is not known", ErrUnavailable))
			return
		}
		err := w.alive(ctx)
		switch {
		case errors.Is(err, ErrProducerLost):
			w.end(err)
			return
		case !errors.Is(err, wire.ErrUnheard):
			missed = 0
		default:
			if missed++; missed >= missing {
				w.end(fmt.Errorf("%w: nobody answers there any more", ErrProducerLost))
				return
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
	}
}

// alive asks who has the request whether it is still there. Errors: ErrProducerLost for a program that was started after the
// request was sent, wire.ErrUnheard if nobody is there; any other says nothing.
func (w *watch) alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, watchEvery)
	defer cancel()
	var answer msg.Msg
	var err error
	age := time.Since(w.begun) - time.Duration(w.sent.Load())
	if host := hostOf(w.subject); host != "" {
		answer, err = wire.Ask(ctx, w.client.nc, subjects.Host(w.client.run, host, subjects.VerbPing), wire.Request{})
	}
	var life struct {
		Uptime int64 `json:"uptime"` // in milliseconds
	}
	switch {
	case answer.Content.Kind() == msg.KindData && answer.Content.Decode(&life) == nil:
		if time.Duration(life.Uptime)*time.Millisecond+slack < age {
			return fmt.Errorf("%w: the host was started again meanwhile", ErrProducerLost)
		}
		return nil
	case err == nil || errors.Is(err, wire.ErrUnheard):
		// Not a host of ours. Whoever listens on the subject itself refuses a verb that agents do not have.
		at := w.subject[:strings.LastIndexByte(w.subject, '.')+1] + subjects.VerbPing
		_, err = wire.Ask(ctx, w.client.nc, at, wire.Request{Encoding: msg.JSON})
	}
	return err
}

// hostOf is the host that a request to a code agent or to a host itself goes to, "" for any other.
func hostOf(subject string) string {
	if _, host, _, _, err := subjects.ParseCode(subject); err == nil {
		return host
	}
	_, host, _, err := subjects.ParseHost(subject)
	if err != nil {
		return ""
	}
	return host
}

// sendOn sends a request, again while nobody listens: programs start and come back at different times. before is called each
// time, and may be nil.
func sendOn(ctx context.Context, nc *nats.Conn, subject string, r wire.Request, before func()) (msg.Msg, error) {
	var end time.Time
	for pause := 5 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		if before != nil {
			before()
		}
		out, err := wire.Ask(ctx, nc, subject, r)
		if !errors.Is(err, wire.ErrUnheard) {
			return out, err
		}
		switch now := time.Now(); {
		case end.IsZero():
			end = now.Add(patience)
		case now.After(end):
			return out, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return msg.Msg{}, err
		}
	}
}
