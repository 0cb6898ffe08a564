package fleet

import (
	"container/list"
	"crypto/sha256"
	"encoding/binary"
	"hash"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/usage"
)

// key tells conversations apart: the hash of a model with its parameters, and of all that the model gets to read.
type key [sha256.Size]byte

// keysOf hashes the conversations of a request.
func keysOf(s *Spec, r *Request) []key {
	h := sha256.New()
	text := func(t string) {
		var n [8]byte
		binary.LittleEndian.PutUint64(n[:], uint64(len(t)))
		h.Write(n[:])
		h.Write([]byte(t))
	}
	text(s.place)
	text(s.manner)
	text(r.System)
	head := h.(hash.Cloner)
	out := make([]key, r.Len)
	for i := range out {
		c, err := head.Clone()
		if err != nil {
			return nil // no sharing, then; sha256's Clone has no error
		}
		h = c
		for _, m := range r.Messages(i) {
			text(m.Role)
			text(m.Content)
			text(string(m.Parts))
		}
		h.Sum(out[i][:0])
	}
	return out
}

// What a run remembers of answers that may be asked for again.
const (
	keepAnswers = 65536
	keepBytes   = 64 << 20
	keepShared  = time.Minute // after the run's last call
)

// shares is a run's calls that others may be like, and the answers it has.
type shares struct {
	leaders map[key]*leader
	answers map[key]*list.Element
	byUse   list.List // of *answer, the one not used for longest at the back
	bytes   int
	used    time.Time
}

// leader is a call that is asked for others too.
type leader struct {
	call      call
	followers []call
}

type answer struct {
	key  key
	done Completion // Shared is set
}

func (a *answer) size() int { return len(a.done.Text) + len(a.key) + 128 }

// attach takes out of a job the calls that need not be asked: the answer is there, or an equal call is on its way.
// f.mu is held.
func (f *Fleet) attach(j *job) {
	t := f.sharesOf(j.Run)
	order := j.order
	j.order = make([]uint32, 0, j.Len)
	var known []call
	for n := range j.Len {
		i := n
		if order != nil {
			i = int(order[n])
		}
		c := call{job: j, index: i}
		switch k := j.keys[i]; {
		case t.answers[k] != nil:
			known = append(known, c)
		case t.leaders[k] != nil:
			t.leaders[k].followers = append(t.leaders[k].followers, c)
		default:
			t.leaders[k] = &leader{call: c}
			j.order = append(j.order, uint32(i))
		}
	}
	j.end = len(j.order)
	for _, c := range known {
		el := t.answers[j.keys[c.index]]
		t.byUse.MoveToFront(el)
		f.follow(c, el.Value.(*answer).done)
	}
}

// follow ends a call with the answer to another.
func (f *Fleet) follow(c call, done Completion) {
	if c.job.dead {
		return
	}
	if done.Err == "" {
		f.ledger.Add(c.job.Run, c.job.spec.Name, usage.Use{Calls: 1, Shared: 1})
		f.metrics.shared.WithLabelValues(c.job.spec.Name).Inc()
	}
	done.TokensIn, done.TokensOut, done.Apportioned = 0, 0, false
	f.finish(c, done)
}

// sharesOf finds or makes the table of a run, which goes some time after it was last used.
func (f *Fleet) sharesOf(run string) *shares {
	now := time.Now()
	t, ok := f.shares[run]
	if !ok {
		t = &shares{leaders: map[key]*leader{}, answers: map[key]*list.Element{}}
		run = strings.Clone(run) // it is part of a payload
		f.shares[run] = t
		f.at(now.Add(keepShared), func(at time.Time) { f.forgetShares(run, at) })
	}
	t.used = now
	return t
}

func (f *Fleet) forgetShares(run string, now time.Time) {
	t := f.shares[run]
	if len(t.leaders) == 0 && now.Sub(t.used) >= keepShared {
		delete(f.shares, run)
		return
	}
	f.at(now.Add(keepShared), func(at time.Time) { f.forgetShares(run, at) })
}

// pass gives the end of a call to those that are like it. f.mu is held.
func (f *Fleet) pass(c call, done Completion) {
	t := f.shares[c.job.Run]
	k := c.job.keys[c.index]
	l := t.leaders[k]
	if l == nil || l.call.job != c.job || l.call.index != c.index {
		return
	}
	if done.Err == lateText { // the others may have longer
		f.succeed(t, k, l)
		return
	}
	delete(t.leaders, k)
	t.used = time.Now()
	done.Shared, done.Retries = c.job.Agent(c.index)+1, 0
	if done.Err == "" {
		t.keep(&answer{k, done})
	}
	for _, other := range l.followers {
		f.follow(other, done)
	}
}

// disown passes on the leads of a job that is refused.
func (f *Fleet) disown(j *job) {
	t := f.shares[j.Run]
	for _, k := range j.keys {
		if l := t.leaders[k]; l != nil && l.call.job == j {
			f.succeed(t, k, l)
		}
	}
}

// succeed makes the first follower that still wants its answer the leader.
func (f *Fleet) succeed(t *shares, k key, l *leader) {
	for len(l.followers) > 0 {
		c := l.followers[0]
		l.followers = l.followers[1:]
		switch {
		case c.job.dead || c.job.over != "":
		case c.job.late:
			f.finish(c, Completion{Err: lateText})
		default:
			l.call = c
			c.job.pool.queue.addPack(&pack{calls: []call{c}}, true)
			f.kick()
			return
		}
	}
	delete(t.leaders, k)
}

// keep remembers an answer, and forgets those not used for longest.
func (t *shares) keep(a *answer) {
	t.answers[a.key] = t.byUse.PushFront(a)
	t.bytes += a.size()
	for len(t.answers) > keepAnswers || t.bytes > keepBytes {
		last := t.byUse.Back()
		old := t.byUse.Remove(last).(*answer)
		delete(t.answers, old.key)
		t.bytes -= old.size()
	}
}
