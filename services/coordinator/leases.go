package coordinator

import (
	"slices"
	"time"

	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/runlog"
)

const (
	// drainGrace is how long a host that drains may take to end what it has begun. Then its shards go, and what is not
	// answered by then is asked again by whoever gets them.
	drainGrace = time.Minute
	// drainSettle is how long after a host has said that it drains its last words on what it asks may still come.
	drainSettle = time.Second
)

// spread is how the shards of a run lie on the hosts.
type spread struct {
	takers  []hosts.Living // they live and do not drain
	load    []int          // shards of each
	orphans ranges         // shards of nobody, or of hosts that are gone
	leaving ranges         // shards that hosts that drain can give away now
	staying int            // shards that they cannot give away yet
}

// ranges grow at their end.
type ranges []runlog.Range

func (r *ranges) add(shard int) {
	if n := len(*r); n > 0 && (*r)[n-1].End == shard {
		(*r)[n-1].End++
		return
	}
	*r = append(*r, runlog.Range{First: shard, End: shard + 1})
}

func (r ranges) count() (n int) {
	for _, part := range r {
		n += part.End - part.First
	}
	return n
}

// lease returns the next lease to grant, if any: first of shards without a living owner, then of those whose host drains, both
// spread evenly over the hosts; then of some that make the hosts more even. It looks at every shard.
func (d *driver) lease(v *hosts.View, now time.Time) (runlog.Lease, bool) {
	s := d.spread(v, now)
	why, n, from := runlog.LeaseLost, s.orphans.count(), s.orphans
	if n == 0 {
		why, n, from = runlog.LeaseDrain, s.leaving.count(), s.leaving
	}
	if n == 0 && s.staying == 0 {
		d.waiting = false
	}
	switch {
	case !v.Gathered:
		return runlog.Lease{}, false
	case n == 0:
		return d.even(&s, now)
	}
	if len(s.takers) == 0 {
		if !d.waiting {
			d.log.Warn("no agenthost takes work; the run waits for one", "shards", n)
			d.waiting = true
		}
		return runlog.Lease{}, false
	}
	at, n := share(s.load, n)
	return grant(s.takers[at], why, cut(from, n)), true
}

func grant(to hosts.Living, why string, list ranges) runlog.Lease {
	return runlog.Lease{Host: to.ID, Incarnation: to.Incarnation, Ranges: list, Why: why}
}

// spread looks at the owner of every shard, and keeps count of what each has.
func (d *driver) spread(v *hosts.View, now time.Time) (s spread) {
	at := map[string]int{} // takers by incarnation
	drains := map[string]hosts.Living{}
	for _, h := range v.Hosts {
		if h.Draining {
			drains[h.Incarnation] = h
			continue
		}
		at[h.Incarnation] = len(s.takers)
		s.takers = append(s.takers, h)
	}
	s.load = make([]int, len(s.takers))
	owned := map[string]int{}
	for first := 0; first < len(d.fold.Grants); {
		g := d.fold.Grants[first]
		end := first + 1
		for end < len(d.fold.Grants) && d.fold.Grants[end] == g { // neighbours nearly always have the same
			end++
		}
		owned[g.Incarnation] += end - first
		place, takes := at[g.Incarnation]
		h, leaves := drains[g.Incarnation]
		switch {
		case takes:
			s.load[place] += end - first
		case leaves:
			for i := first; i < end; i++ {
				if d.leaves(i, h, now) {
					s.leaving.add(i)
				} else {
					s.staying++
				}
			}
		case g.Epoch == 0 || !v.Lives(g.Host, g.Incarnation):
			for i := first; i < end; i++ {
				s.orphans.add(i)
			}
		}
		first = end
	}
	d.owned.Store(&owned)
	return s
}

// leaves reports whether a shard of a host that drains can go: nothing of it is under way any more, or it has taken too long.
func (d *driver) leaves(shard int, h hosts.Living, now time.Time) bool {
	drains := now.Sub(h.DrainsSince)
	return d.fold.Phase != runlog.PhaseOpen || h.Quiet || d.fold.ShardLeft(shard) == 0 ||
		!d.fold.ShardBegun(shard) && drains >= drainSettle || drains >= drainGrace
}

// share picks the host with the fewest shards, and how many of the orphans raise it to the level that all of them together
// fill up to. Granting so until there are no orphans leaves the shards as even as they can be without taking any away.
func share(load []int, orphans int) (host, n int) {
	least := slices.Min(load)
	level := least
	for fill := 0; fill <= orphans; level++ {
		fill = 0
		for _, has := range load {
			fill += max(0, level+1-has)
		}
		if fill > orphans {
			break
		}
	}
	return slices.Index(load, least), max(1, level-least)
}

// cut returns the first n shards of ranges, which hold as many. It may change ranges.
func cut(ranges []runlog.Range, n int) []runlog.Range {
	for i, r := range ranges {
		if r.End-r.First >= n {
			ranges[i].End = r.First + n
			return ranges[:i+1]
		}
		n -= r.End - r.First
	}
	return ranges
}

// even gives the host that has the fewest shards some of those that have the most, where they then differ by less: between
// rounds any, in a round such as nobody was asked in. A host that has only just come, or come back, has to stay for a while
// first.
func (d *driver) even(s *spread, now time.Time) (runlog.Lease, bool) {
	to, total := -1, 0
	for i, h := range s.takers {
		total += s.load[i]
		if now.Sub(h.Since) >= hosts.TTL && (to < 0 || s.load[i] < s.load[to]) {
			to = i
		}
	}
	if to < 0 || slices.Max(s.load)-s.load[to] < 2 {
		return runlog.Lease{}, false
	}
	spare := d.spare(s)
	enough := max(total/len(s.takers), s.load[to]+1)
	var moved []int
	for s.load[to] < enough {
		from := -1
		for i := range s.takers {
			if len(spare[i]) > 0 && s.load[i]-s.load[to] >= 2 && (from < 0 || s.load[i] > s.load[from]) {
				from = i
			}
		}
		if from < 0 {
			break
		}
		last := len(spare[from]) - 1
		moved = append(moved, spare[from][last])
		spare[from] = spare[from][:last]
		s.load[from]--
		s.load[to]++
	}
	if len(moved) == 0 {
		return runlog.Lease{}, false
	}
	slices.Sort(moved)
	var list ranges
	for _, shard := range moved {
		list.add(shard)
	}
	return grant(s.takers[to], runlog.LeaseBalance, list), true
}

// spare lists the shards of each taker that it can do without, in the order in which it will ask their agents.
func (d *driver) spare(s *spread) [][]int {
	at := map[string]int{}
	for i, h := range s.takers {
		at[h.Incarnation] = i
	}
	out := make([][]int, len(s.takers))
	for shard, g := range d.fold.Grants {
		if i, takes := at[g.Incarnation]; takes && (d.fold.Phase != runlog.PhaseOpen || !d.fold.ShardBegun(shard)) {
			out[i] = append(out[i], shard)
		}
	}
	return out
}
