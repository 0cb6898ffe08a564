package coordinator

import (
	"slices"

	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// lease returns the next lease to grant: all shards without a living owner, spread evenly over the hosts, for the first
// host that is to get some. It looks at every shard.
func (d *driver) lease() (runlog.Lease, bool) {
	living := d.svc.living()
	load, orphans := owners(d.fold.Grants, living)
	n := 0
	for _, r := range orphans {
		n += r.End - r.First
	}
	if n == 0 {
		d.waiting = false
		return runlog.Lease{}, false
	}
	if len(living) == 0 {
		if !d.waiting {
			d.log.Warn("no agenthost is running; the run waits for one", "shards", n)
			d.waiting = true
		}
		return runlog.Lease{}, false
	}
	at, n := share(load, n)
	return runlog.Lease{Host: living[at].ID, Incarnation: living[at].Incarnation, Ranges: cut(orphans, n)}, true
}

// owners counts the shards of each living host and lists those of none.
func owners(grants []runlog.Grant, living []hosts.Beat) (load []int, orphans []runlog.Range) {
	places := make(map[string]int, len(living))
	for i, h := range living {
		places[h.Incarnation] = i
	}
	load = make([]int, len(living))
	owner, at, alive := "", 0, false // of a shard that was never leased
	for i, g := range grants {
		if g.Incarnation != owner { // neighbours nearly always have the same
			owner = g.Incarnation
			at, alive = places[owner]
		}
		if alive {
			load[at]++
			continue
		}
		if n := len(orphans); n > 0 && orphans[n-1].End == i {
			orphans[n-1].End++
			continue
		}
		orphans = append(orphans, runlog.Range{First: i, End: i + 1})
	}
	return load, orphans
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
