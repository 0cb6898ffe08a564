package coordinator

import (
	"slices"

	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// lease returns the next lease to grant: all shards without a living owner, spread evenly over the hosts, for the first
// host that is to get some.
func (d *driver) lease() (runlog.Lease, bool) {
	s := &d.fold.State
	living := d.svc.living()
	alive := map[string]bool{}
	for _, h := range living {
		alive[h.Incarnation] = true
	}
	load := map[string]int{}
	var orphans []int
	for i, g := range s.Grants {
		if alive[g.Incarnation] {
			load[g.Incarnation]++
		} else {
			orphans = append(orphans, i)
		}
	}
	if len(orphans) == 0 {
		d.waiting = false
		return runlog.Lease{}, false
	}
	if len(living) == 0 {
		if !d.waiting {
			d.log.Warn("no agenthost is running; the run waits for one", "shards", len(orphans))
			d.waiting = true
		}
		return runlog.Lease{}, false
	}
	host, n := share(living, load, len(orphans))
	return runlog.Lease{Host: host.ID, Incarnation: host.Incarnation, Ranges: ranges(orphans[:n])}, true
}

// share picks the host with the fewest shards, and how many of the orphans raise it to the level that all of them together
// fill up to. Granting so until there are no orphans leaves the shards as even as they can be without taking any away.
func share(living []hosts.Beat, load map[string]int, orphans int) (hosts.Beat, int) {
	least := slices.MinFunc(living, func(a, b hosts.Beat) int { return load[a.Incarnation] - load[b.Incarnation] })
	level := load[least.Incarnation]
	for fill := 0; fill <= orphans; level++ {
		fill = 0
		for _, h := range living {
			fill += max(0, level+1-load[h.Incarnation])
		}
		if fill > orphans {
			break
		}
	}
	return least, max(1, level-load[least.Incarnation])
}

func ranges(shards []int) []runlog.Range {
	var out []runlog.Range
	for _, s := range shards {
		if n := len(out); n > 0 && out[n-1].End == s {
			out[n-1].End++
			continue
		}
		out = append(out, runlog.Range{First: s, End: s + 1})
	}
	return out
}
