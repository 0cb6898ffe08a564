package fleet

import (
	"net/url"
	"time"
)

// endpoint is one server as the fleet knows it.
type endpoint struct {
	at     Endpoint
	host   string // what logs and metrics may say of it
	server Server
	pools  []*pool
	series map[string]*series // by model

	flying int // conversations in attempts
	held   int // places of conversations that the server had no room for
	kind   kind
	trying time.Time // since when it is being found out whether it takes batches; zero: it is not
	bad    int       // batches refused or answered badly since one went well
	limit  limiter
	size   sizer
	linger time.Time // a batch that is not full leaves then; zero: none waits
	pause  time.Time // the server asked to be left alone until then

	state    state
	fails    int    // failures in a row
	why      string // the last failure
	relapsed bool   // it failed when it had just come back
	probing  bool   // a test is due or in progress
	delay    time.Duration

	reading  bool // its load is read each second
	loadless bool // it does not tell its load
	singles  latencies
}

// kind is whether a server takes batches.
type kind uint8

const (
	unknown kind = iota
	batching
	single
)

// state is whether a server can be reached.
type state uint8

const (
	up    state = iota
	trial       // it says that it is back; the next call will tell
	down
)

func (f *Fleet) newEndpoint(at Endpoint) *endpoint {
	e := &endpoint{at: at, host: "?", server: f.cfg.Dial(at), series: map[string]*series{}, limit: f.newLimiter(float64(f.cfg.Concurrency))}
	e.size.reset()
	if u, err := url.Parse(at.URL); err == nil {
		e.host = u.Host
	}
	f.metrics.up.WithLabelValues(e.host).Set(1)
	return e
}

// places is how many conversations of a model the endpoint is given at a time.
func (e *endpoint) places(s *Spec) int {
	if s.Concurrency == 0 || e.limit.recovering {
		n := e.limit.whole()
		if s.Concurrency > 0 {
			n = min(n, s.Concurrency)
		}
		return n
	}
	return s.Concurrency
}

// seats is how many of the calls that wait the endpoint takes now in one request; 0: none. Alone says that they go one by
// one. f.mu is held.
func (f *Fleet) seats(e *endpoint, s *Spec, waiting int, alone bool, now time.Time) int {
	if e.state == down || now.Before(e.pause) {
		return 0
	}
	places := e.places(s)
	room := places - e.flying - e.held
	if room <= 0 {
		e.limit.starve(s)
		return 0
	}
	size := e.size.of(places, f.cfg.MaxBatch)
	if alone || e.kind == single || size < 2 || waiting < 2 {
		return 1
	}
	if e.kind == unknown && now.Sub(e.trying) < grace {
		return 0
	}
	n := min(size, waiting)
	switch {
	case n > room && e.flying+e.held > 0:
		// Places come free a batch at a time; batches that fill every gap would get ever smaller.
		e.limit.starve(s)
		return 0
	case n == size || n > room || e.flying == 0:
		e.linger = time.Time{}
		return min(n, room)
	}
	return f.wait(e, n, now)
}

// grace is how long the first batch is waited for. A server that has no batch endpoint says so at once; one that does not
// answer is probably at work, and what it lacks would cost nothing but being asked.
const grace = 100 * time.Millisecond

// shortLinger is not worth waiting for.
const (
	shortLinger = 50 * time.Microsecond
	longLinger  = 2 * time.Millisecond
)

// wait lets a batch that is not full wait a moment for more calls, since the server has work meanwhile. It returns the
// size of the batch when it is to go.
func (f *Fleet) wait(e *endpoint, n int, now time.Time) int {
	linger := min(e.limit.latency/1000, longLinger)
	switch {
	case linger < shortLinger:
		return n
	case e.linger.IsZero():
		e.linger = now.Add(linger)
		f.at(e.linger, func(time.Time) {}) // the pump looks again
		return 0
	case now.Before(e.linger):
		return 0
	}
	e.linger = time.Time{}
	return n
}
