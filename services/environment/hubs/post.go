package hubs

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Times of a post.
const (
	askTimeout  = 2 * time.Second        // for one request to a host
	askFirst    = 100 * time.Millisecond // between requests to a host or agent that does not answer
	askLongest  = 5 * time.Second
	askAgain    = 300 * time.Millisecond // a program that starts may serve its agents a moment before itself
	saveEvery   = 250 * time.Millisecond // what was carried since may be carried again after a crash
	saveTimeout = 2 * time.Second
)

// post does one duty.
type post struct {
	*Server
	run, hub string
	created  uint64
	at       string // place
	key      string
	revision uint64 // of the entry

	shared   sync.Mutex
	duty     duty
	changed  bool // since it was saved
	latest   uint64
	couriers map[subjects.Address]bool
	wake     chan struct{} // closed when there is something new
}

func newPost(s *Server, key string, e runlog.Entry) (*post, error) {
	p := &post{Server: s, key: key, revision: e.Seq, couriers: map[subjects.Address]bool{}, wake: make(chan struct{})}
	var err error
	if p.run, p.hub, p.created, p.at, err = parseDuty(key); err != nil {
		return nil, err
	}
	if err := json.Unmarshal(e.Data, &p.duty); err != nil {
		return nil, err
	}
	if p.duty.Upto == nil {
		p.duty.Upto = map[subjects.Address]uint64{}
	}
	return p, nil
}

// serve works until the duty is done or ctx is.
func (p *post) serve(ctx context.Context) {
	if p.duty.Mode == modeAsk {
		mode, err := p.ask(ctx)
		if err != nil {
			return
		}
		p.set(func() { p.duty.Mode = mode })
		for !p.save(ctx) {
			if pause(ctx, askFirst) != nil {
				return
			}
		}
		p.log.Debug("a host of participants", "run", p.run, "hub", p.hub, "at", p.at, "mode", mode)
	}
	if p.duty.Mode == modePush {
		p.push(ctx)
	}
}

// ask finds out whether a host reads the stream itself. Only ctx ends it before it knows.
func (p *post) ask(ctx context.Context) (mode string, err error) {
	_, host := place(p.duty.Via)
	content, err := msg.Data(map[string]string{"hub": p.hub})
	if err != nil {
		return "", err
	}
	hear := func() error {
		return p.request(ctx, askTimeout, subjects.Host(p.run, host, subjects.VerbHear), wire.Request{Msgs: []msg.Msg{{Content: content}}})
	}
	alive := func() bool {
		err := p.request(ctx, askTimeout, subjects.At(p.run, p.duty.Via, subjects.VerbState), wire.Request{})
		return !unanswered(err)
	}
	retry := newRetry()
	for {
		err := hear()
		switch {
		case err == nil:
			return modeHear, nil
		case errors.Is(err, wire.ErrBadRequest), errors.Is(err, wire.ErrNoFunction):
			return modePush, nil
		case errors.Is(err, wire.ErrNobody) && alive():
			if err := pause(ctx, askAgain); err != nil {
				return "", err
			}
			if errors.Is(hear(), wire.ErrNobody) {
				return modePush, nil
			}
		}
		if err := pause(ctx, retry.NextBackOff()); err != nil {
			return "", err
		}
	}
}

// request asks once.
func (p *post) request(ctx context.Context, timeout time.Duration, subject string, r wire.Request) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	_, err := wire.Ask(ctx, p.nc, subject, r)
	return err
}

// unanswered reports whether an error says that a request was not dealt with, but may be later.
func unanswered(err error) bool {
	for _, later := range []error{
		wire.ErrNobody, wire.ErrCrowded, wire.ErrStopped, wire.ErrUnavailable, wire.ErrDeadline, context.DeadlineExceeded, context.Canceled,
	} {
		if errors.Is(err, later) {
			return true
		}
	}
	return false
}

// push carries what is said to the participants at the place, each with a courier of its own.
func (p *post) push(ctx context.Context) {
	ctx, stop := context.WithCancel(ctx)
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	seen := p.duty.Seen
	all.Go(func() { p.follow(ctx, seen) })
	p.set(func() {
		for a, at := range p.duty.Upto {
			p.start(ctx, &all, a, at)
		}
	})
	tick := time.NewTicker(saveEvery)
	defer tick.Stop()
	for over := false; ; {
		news := p.news()
		if !over && p.unseen() {
			var err error
			if over, err = p.look(ctx, &all); err != nil && ctx.Err() == nil {
				p.log.Debug("hub not read", "run", p.run, "hub", p.hub, "error", err)
			}
		}
		if over && p.idle() {
			p.done(ctx)
			return
		}
		select {
		case <-news:
		case <-tick.C:
			p.save(ctx)
		case <-ctx.Done():
			stop()
			all.Wait()
			if p.nc.IsConnected() {
				p.save(context.WithoutCancel(ctx))
			}
			return
		}
	}
}

// follow wakes everyone when there are new records.
func (p *post) follow(ctx context.Context, seen uint64) {
	err := runlog.FollowStream(ctx, p.js, subjects.StreamHub, seen+1, []string{subjects.HubSaid(p.run, p.hub)}, nil,
		func(e runlog.Entry) error {
			p.set(func() { p.latest = max(p.latest, e.Seq) })
			return nil
		})
	if err != nil && ctx.Err() == nil && !p.nc.IsClosed() {
		p.log.Error("hub not followed", "run", p.run, "hub", p.hub, "error", err)
	}
}

// look reads on for those who join at the place, and starts their couriers. over says that the hub was deleted.
func (p *post) look(ctx context.Context, all *sync.WaitGroup) (over bool, err error) {
	for more := true; more && !over; {
		more, err = p.read(ctx, subjects.HubSaid(p.run, p.hub), p.duty.Seen+1, readCount, readBytes, func(r record) bool {
			over = r.kind == subjects.SaidDeleted
			who := subjects.Address("")
			if r.kind == subjects.SaidJoined {
				who = r.member()
			}
			p.shared.Lock()
			defer p.shared.Unlock()
			p.duty.Seen, p.latest, p.changed = r.seq, max(p.latest, r.seq), true
			if who != "" && !p.couriers[who] {
				if at, _ := place(who); at == p.at {
					p.duty.Upto[who] = r.seq
					p.start(ctx, all, who, r.seq)
				}
			}
			return !over
		})
		if err != nil {
			return over, err
		}
	}
	return over, nil
}

// start starts a courier; p.shared is held.
func (p *post) start(ctx context.Context, all *sync.WaitGroup, a subjects.Address, at uint64) {
	p.couriers[a] = true
	c := &courier{post: p, to: a, at: at, inside: true}
	all.Go(func() { c.serve(ctx) })
}

// set changes what couriers share, and wakes them.
func (p *post) set(change func()) {
	p.shared.Lock()
	defer p.shared.Unlock()
	change()
	p.changed = true
	close(p.wake)
	p.wake = make(chan struct{})
}

// news is closed at the next change.
func (p *post) news() <-chan struct{} {
	p.shared.Lock()
	defer p.shared.Unlock()
	return p.wake
}

// unseen reports whether there are records that were not looked at.
func (p *post) unseen() bool {
	p.shared.Lock()
	defer p.shared.Unlock()
	return p.latest > p.duty.Seen
}

func (p *post) idle() bool {
	p.shared.Lock()
	defer p.shared.Unlock()
	return len(p.couriers) == 0
}

// save writes down how far everyone is. It returns false if it did not work; it is tried again soon. That a server which
// has lost the lease may write too does no harm: what one of them carried the other carries again, under the same ids.
func (p *post) save(ctx context.Context) bool {
	p.shared.Lock()
	if !p.changed {
		p.shared.Unlock()
		return true
	}
	data, err := json.Marshal(p.duty)
	p.changed = false
	p.shared.Unlock()
	if err == nil {
		ctx, cancel := context.WithTimeout(ctx, saveTimeout)
		defer cancel()
		var revision uint64
		if revision, err = p.kv.Update(ctx, p.key, data, p.revision); err == nil {
			p.revision = revision
			return true
		}
		if conflict(err) {
			var e jetstream.KeyValueEntry
			if e, err = p.kv.Get(ctx, p.key); err == nil {
				p.revision = e.Revision()
			}
		}
	}
	p.shared.Lock()
	defer p.shared.Unlock()
	p.changed = true
	return false
}

// done removes the duty of a hub that is no more. Where that fails the next server does it.
func (p *post) done(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	if err := p.kv.Delete(ctx, p.key); err != nil && ctx.Err() == nil {
		p.log.Debug("duty not removed", "key", p.key, "error", err)
	}
}
