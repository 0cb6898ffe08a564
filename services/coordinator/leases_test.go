package coordinator

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// granting is a run whose leases are granted one after the other.
type granting struct {
	d      *driver
	view   *hosts.View
	now    time.Time
	grants []runlog.Lease
}

// next grants what comes next, if anything.
func (g *granting) next(t require.TestingT) bool {
	l, ok := g.d.lease(g.view, g.now)
	if !ok {
		return false
	}
	require.NotEmpty(t, l.Ranges)
	next := 0
	for _, r := range l.Ranges {
		require.GreaterOrEqual(t, r.First, next)
		require.Greater(t, r.End, r.First)
		next = r.End
		for i := r.First; i < r.End; i++ {
			g.d.fold.Grants[i] = runlog.Grant{Epoch: g.d.fold.Epoch + 1, Host: l.Host, Incarnation: l.Incarnation}
		}
	}
	g.d.fold.Epoch++
	g.grants = append(g.grants, l)
	return true
}

// load counts the shards of each life.
func (g *granting) load() map[string]int {
	out := map[string]int{}
	for _, at := range g.d.fold.Grants {
		out[at.Incarnation]++
	}
	return out
}

func life(host int) (id, incarnation string) {
	return fmt.Sprintf("h%02d", host), fmt.Sprint("i", host)
}

// Between rounds every shard comes to a living host that does not drain, those hosts have the same number up to one, and
// there are few records. What is planned takes nothing from anybody who would then have less than others.
func TestSharesAreEven(t *testing.T) {
	svc := &Service{log: natstest.Logger(t)}
	rapid.Check(t, func(t *rapid.T) {
		g := &granting{d: newDriver(svc, "r", false), view: &hosts.View{Settled: true, Gathered: true}, now: time.Now()}
		living := rapid.IntRange(1, 7).Draw(t, "living")
		takers := 0
		fresh := map[string]bool{}
		for h := range living {
			id, incarnation := life(h)
			b := hosts.Living{Beat: hosts.Beat{ID: id, Incarnation: incarnation}, Since: g.now.Add(-time.Hour), DrainsSince: g.now}
			b.Draining = rapid.IntRange(0, 3).Draw(t, "drains") == 0
			if rapid.IntRange(0, 3).Draw(t, "fresh") == 0 {
				b.Since, fresh[incarnation] = g.now, true
			}
			if !b.Draining {
				takers++
			}
			g.view.Hosts = append(g.view.Hosts, b)
		}
		for _, owner := range rapid.SliceOfN(rapid.IntRange(-1, living+1), 1, 60).Draw(t, "owners") {
			at := runlog.Grant{}
			if owner >= 0 { // those from living on are dead
				at.Epoch = 1
				at.Host, at.Incarnation = life(owner)
			}
			g.d.fold.Grants = append(g.d.fold.Grants, at)
		}
		before := g.load()
		old := slices.Clone(g.d.fold.Grants)
		for g.next(t) {
			require.LessOrEqual(t, len(g.grants), 6*living, "records")
		}
		load := g.load()
		if takers == 0 {
			require.Equal(t, old, g.d.fold.Grants)
			return
		}
		least, most := len(old), 0
		for _, h := range g.view.Hosts {
			n := load[h.Incarnation]
			delete(load, h.Incarnation)
			if h.Draining {
				require.Zero(t, n)
				continue
			}
			most = max(most, n)
			if !fresh[h.Incarnation] { // nothing is moved to a host that has only just come
				least = min(least, n)
			}
		}
		require.Empty(t, load, "shards of the dead")
		require.LessOrEqual(t, most-least, 1)
		for _, l := range g.grants {
			require.False(t, l.Why == runlog.LeaseBalance && fresh[l.Incarnation])
		}
		moved := 0
		for i, at := range g.d.fold.Grants {
			if h, found := g.view.Find(old[i].Host); at != old[i] && found && !h.Draining {
				moved++
			}
		}
		surplus := 0
		for _, h := range g.view.Hosts {
			if !h.Draining {
				surplus += max(0, before[h.Incarnation]-len(old)/takers)
			}
		}
		require.LessOrEqual(t, moved, surplus, "planned moves")
	})
}

// inRound is a run of shards of two agents in its open round, the shards with the hosts of these numbers.
func inRound(t *testing.T, living int, owners ...int) *granting {
	t.Helper()
	g := &granting{d: offline(t, 2*len(owners), 2), view: &hosts.View{Settled: true, Gathered: true}, now: time.Now()}
	for h := range living {
		id, incarnation := life(h)
		g.view.Hosts = append(g.view.Hosts, hosts.Living{Beat: hosts.Beat{ID: id, Incarnation: incarnation}, Since: g.now.Add(-time.Hour)})
	}
	for shard, owner := range owners {
		id, incarnation := life(owner)
		g.d.fold.Grants[shard] = runlog.Grant{Host: id, Incarnation: incarnation, Epoch: 1}
	}
	return g
}

// drain has a host drain since a while ago.
func (g *granting) drain(host int, ago time.Duration, quiet bool) {
	h := &g.view.Hosts[host]
	h.Draining, h.Quiet, h.DrainsSince = true, quiet, g.now.Add(-ago)
}

// asked says in the log that agents are asked.
func (g *granting) asked(t *testing.T, first, count int) {
	t.Helper()
	shard := first / 2
	data, err := runlog.EncodeAsked(runlog.Header{Run: g.d.id, Round: 1, Epoch: 1}, runlog.Asked{Shard: shard, Agents: []int{first, count}})
	require.NoError(t, err)
	_, err = g.d.fold.Apply(runlog.Entry{Subject: subjects.LogAsked(g.d.id, shard), Seq: g.d.fold.Seq + 1, Time: g.now, Data: data})
	require.NoError(t, err)
}

func (g *granting) answered(t *testing.T, agents ...int) {
	t.Helper()
	for _, agent := range agents {
		_, err := g.d.fold.Apply(answerOf(t, g.d, agent))
		require.NoError(t, err)
	}
	require.Empty(t, g.d.fold.Faults)
	require.Zero(t, g.d.fold.Duplicates)
}

func (g *granting) granted(t *testing.T, why string, host int, list ...runlog.Range) {
	t.Helper()
	require.True(t, g.next(t))
	id, incarnation := life(host)
	require.Equal(t, runlog.Lease{Host: id, Incarnation: incarnation, Why: why, Ranges: list}, g.grants[len(g.grants)-1])
}

// What a host that drains can give away: shards that are through, or not begun; all once it has ended what it had begun, or
// has had its time.
func TestWhatLeavesAHost(t *testing.T) {
	begin := func() *granting {
		g := inRound(t, 2, 0, 0, 0, 0, 1, 1, 1, 1)
		g.asked(t, 0, 6) // shards 0, 1 and 2 of the first host
		g.answered(t, 0, 1, 2)
		return g
	}
	one := func(shard int) runlog.Range { return runlog.Range{First: shard, End: shard + 1} }
	g := begin()
	g.drain(0, 0, false)
	g.granted(t, runlog.LeaseDrain, 1, one(0))
	require.False(t, g.next(t), "shard 3 may have been asked just before the host was told")
	g.drain(0, drainSettle, false)
	g.granted(t, runlog.LeaseDrain, 1, one(3))
	require.False(t, g.next(t))
	g.answered(t, 3)
	g.granted(t, runlog.LeaseDrain, 1, one(1))
	require.False(t, g.next(t))
	g.drain(0, drainGrace, false)
	g.granted(t, runlog.LeaseDrain, 1, one(2))
	require.False(t, g.next(t))
	require.Equal(t, map[string]int{"i1": 8}, *g.d.owned.Load())

	g = begin()
	g.drain(0, 0, true)
	g.granted(t, runlog.LeaseDrain, 1, runlog.Range{First: 0, End: 4})

	// Between rounds nothing is under way.
	g = begin()
	g.drain(0, 0, false)
	g.d.fold.Phase = runlog.PhaseReady
	g.granted(t, runlog.LeaseDrain, 1, runlog.Range{First: 0, End: 4})

	// There is nobody to give it to.
	g = begin()
	g.drain(0, 0, true)
	g.drain(1, 0, true)
	require.False(t, g.next(t))
	require.True(t, g.d.waiting)
	g.view.Hosts[1].Draining = false
	require.True(t, g.next(t))
	require.False(t, g.next(t))
	require.False(t, g.d.waiting)
}

// In a round a host that has more gives what nobody of was asked, the last first, as its host would come to it last.
func TestBalanceInARound(t *testing.T) {
	g := inRound(t, 3, 0, 0, 0, 0, 0, 0, 1, 1)
	g.asked(t, 0, 8)
	g.asked(t, 12, 2)
	g.granted(t, runlog.LeaseBalance, 2, runlog.Range{First: 4, End: 6})
	require.False(t, g.next(t), "4, 2 and 2; what is left with the first host was begun")
	g.d.fold.Phase = runlog.PhaseReady
	g.granted(t, runlog.LeaseBalance, 1, runlog.Range{First: 3, End: 4})
	require.False(t, g.next(t))

	// Whoever has just come gets nothing yet, and one shard more or less is not worth a move.
	g = inRound(t, 2, 0, 0, 0)
	g.view.Hosts[1].Since = g.now.Add(1 - hosts.TTL)
	require.False(t, g.next(t))
	g.view.Hosts[1].Since = g.now.Add(-hosts.TTL)
	g.granted(t, runlog.LeaseBalance, 1, runlog.Range{First: 2, End: 3})
	require.False(t, g.next(t))
}

// A host that was not heard yet keeps its shards until it must have been, unless another life of it is there.
func TestUnheardHostsKeepTheirShards(t *testing.T) {
	g := inRound(t, 1, 0, 1, 2)
	g.view.Settled = false
	require.False(t, g.next(t))
	g.view.Over = map[string]bool{"i2": true}
	g.granted(t, runlog.LeaseLost, 0, runlog.Range{First: 2, End: 3})
	g.view.Hosts[0].Incarnation = "newer"
	require.True(t, g.next(t))
	require.Equal(t, []runlog.Range{{First: 0, End: 1}, {First: 2, End: 3}}, g.grants[1].Ranges)
	g.view.Settled = true
	require.True(t, g.next(t))
	require.Equal(t, map[string]int{"newer": 3}, g.load())
	require.False(t, g.next(t))
}
