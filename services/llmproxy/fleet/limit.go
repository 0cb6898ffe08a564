package fleet

import "time"

// limiter says how many conversations an endpoint is given at a time. It doubles in the time of a conversation at first,
// and goes up step by step later, as long as the endpoint ends more of them in a second for it; when it does not, the limit
// goes back and rests. It goes down when the server says that it is overloaded, loses calls, or lets them wait. All of it
// only while calls wait for a place.
type limiter struct {
	limit, most float64
	start       float64
	slow        bool          // slow start: still doubling
	recovering  bool          // the endpoint has just come back
	starved     bool          // since the window began a call found no place
	bound       bool          // the same, but its model says how many there are
	held        bool          // the server lets calls wait: no growth
	calm        int           // windows until growth is tried again
	latency     time.Duration // of a conversation, a moving mean
	patience    time.Duration // the time limit of its attempts
	cut         time.Time     // when it last went down
	last        pace          // of the window before, or of the one before growth was tried
	window      sample
}

// pace is how fast an endpoint is when it has a number of conversations at a time: by Little's law that number over the
// time each takes.
type pace struct{ level, rate float64 }

// sample is the conversations of a window.
type sample struct {
	n, level float64 // how many, and how many were in flight with each, summed up
	took     float64 // seconds, summed up
}

const (
	growStep = 8    // places more in the time of a conversation, after slow start
	growTest = 1.4  // how much more there must be to tell whether it helps
	worthIt  = 0.25 // share of the growth that must come out as pace
	keptOver = 1.1  // what is kept over the last pace that growth has brought
	calmFor  = 20

	lossFactor = 0.7
	waitFactor = 0.95
	fullFactor = 0.9
	freeFactor = 1.25
	fullCache  = 0.95
)

func (f *Fleet) newLimiter(limit float64) limiter {
	most := float64(f.cfg.MaxConcurrency)
	return limiter{limit: min(limit, most), most: most, start: min(float64(f.cfg.Concurrency), most), slow: true}
}

// restart begins anew from one place, after the endpoint was down.
func (l *limiter) restart() {
	*l = limiter{limit: 1, most: l.most, start: l.start, slow: true, recovering: true, latency: l.latency, patience: l.patience}
}

func (l *limiter) whole() int { return max(1, int(l.limit)) }

// starve notes that a call of a model found no place because of this limit.
func (l *limiter) starve(s *Spec) {
	if s.Concurrency == 0 || l.recovering {
		l.starved = true
	} else {
		l.bound = true
	}
}

// ended counts n conversations that ended well after a time, with a number of them in flight at their start. It returns
// the pace of a window that is over and in which the limit stood still while calls always waited; 0: there is none.
func (l *limiter) ended(now time.Time, n, level int, took time.Duration) (rate float64) {
	if l.latency == 0 {
		l.latency = took
	}
	l.latency += time.Duration(float64(took-l.latency) * min(1, 2*float64(n)/(l.limit+1)))
	l.window.n += float64(n)
	l.window.level += float64(n * level)
	l.window.took += float64(n) * took.Seconds()
	if l.starved {
		l.raise(float64(n))
	}
	// A model with a limit of its own may have more in flight than this one.
	if l.window.n < max(l.limit, l.window.level/l.window.n)/2 || l.window.took == 0 {
		return 0
	}
	return l.turn(now)
}

// raise takes the growth that n conversations are worth.
func (l *limiter) raise(n float64) {
	if l.held || l.calm > 0 || l.latency > l.patience/4 {
		return
	}
	if !l.slow {
		n *= growStep / l.limit
	}
	l.limit = min(l.limit+n, l.most)
	if l.limit >= l.start {
		l.recovering = false
	}
}

// turn ends a window.
func (l *limiter) turn(now time.Time) float64 {
	w, full, bound := l.window, l.starved, l.bound
	l.window, l.starved, l.bound = sample{}, false, false
	if l.latency > l.patience/2 {
		l.lower(now, fullFactor)
	}
	this := pace{level: w.level / w.n, rate: w.level / w.took}
	if !full {
		l.last = pace{}
		if bound {
			return this.rate
		}
		return 0
	}
	grown := this.level / l.last.level
	switch {
	case l.calm > 0:
		if l.calm--; l.calm == 0 {
			l.last = pace{}
		}
		return this.rate
	case l.last.rate == 0:
		l.last = this
	case grown >= growTest && this.rate < l.last.rate*(1+worthIt*(grown-1)) && l.limit > l.start/2:
		l.slow, l.calm = false, calmFor
		l.limit = min(l.limit, max(1, l.last.level*keptOver))
	case grown >= growTest:
		l.last = this
	}
	if l.held || l.limit >= l.most {
		return this.rate
	}
	return 0
}

// lower takes a part of the places away, once in the time of a conversation.
func (l *limiter) lower(now time.Time, factor float64) {
	if l.cut.IsZero() || now.Sub(l.cut) >= l.latency {
		l.shrink(now, factor)
	}
}

func (l *limiter) shrink(now time.Time, factor float64) {
	l.cut, l.slow, l.last, l.window = now, false, pace{}, sample{}
	l.limit = max(1, l.limit*factor)
}
