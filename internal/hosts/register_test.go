package hosts

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// event is something that an observer noticed.
type event struct {
	at    time.Duration
	what  string // beat, leave, deaf
	life  int
	drain bool
}

// model decides who lives from all that was ever noticed, the slow way. A life is dead if it left, or if at some moment it
// had not been heard for the TTL, with no gap in the listening meanwhile, and it has not been heard since.
type model struct {
	ttl     time.Duration
	events  []event
	judged  []time.Duration
	started map[int]int
}

func (m *model) silentAt(life int, t time.Duration) (dead, left bool) {
	mark, heard := time.Duration(-1), false
	over := func(until time.Duration) {
		for _, j := range m.judged {
			if heard && j <= until && j-mark >= m.ttl && j >= mark {
				dead = true
			}
		}
	}
	for _, e := range m.events {
		if e.at > t {
			break
		}
		switch {
		case e.what == "beat" && e.life == life && !left:
			over(e.at)
			mark, heard, dead = e.at, true, false
		case e.what == "deaf" && heard:
			over(e.at)
			mark = e.at
		case e.what == "leave" && e.life == life:
			left = true
		}
	}
	over(t)
	return dead || left || !heard, left
}

func (m *model) newest(host int, t time.Duration) (life int) {
	life = -1
	for l := range m.started {
		if l%3 != host {
			continue
		}
		if dead, _ := m.silentAt(l, t); dead {
			continue
		}
		if life < 0 || m.started[l] > m.started[life] || m.started[l] == m.started[life] && name(l) > name(life) {
			life = l
		}
	}
	return life
}

func name(life int) string { return fmt.Sprint("life", life) }

// Whatever comes in whatever order, the register says what the model says.
func TestRegisterIsAsTheModel(t *testing.T) {
	origin := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		const ttl = 30
		m := &model{ttl: ttl, started: map[int]int{}}
		r := newRegister(ttl, origin)
		for life := range 6 { // two lives of each of three hosts
			m.started[life] = rapid.IntRange(0, 2).Draw(t, "started")
		}
		var now, since time.Duration
		for range rapid.IntRange(1, 60).Draw(t, "events") {
			now += time.Duration(rapid.IntRange(1, 12).Draw(t, "later"))
			e := event{at: now, life: rapid.IntRange(0, 5).Draw(t, "life"), drain: rapid.Bool().Draw(t, "drains")}
			e.what = rapid.SampledFrom([]string{"beat", "beat", "beat", "judge", "judge", "judge", "deaf", "leave"}).Draw(t, "what")
			at := origin.Add(now)
			switch e.what {
			case "beat":
				r.hear(Beat{
					ID: fmt.Sprint(e.life % 3), Incarnation: name(e.life), Started: time.Unix(int64(m.started[e.life]), 0), Draining: e.drain,
				}, at)
			case "leave":
				r.leave(name(e.life), at)
			case "deaf":
				r.deaf(at)
				since = now
			case "judge":
				m.judged = append(m.judged, now)
				r.judge(at)
			}
			m.events = append(m.events, e)

			v := r.view()
			settled := len(m.judged) > 0 && m.judged[len(m.judged)-1]-since >= ttl
			require.Equal(t, settled, r.settled)
			living := map[string]string{}
			for _, h := range v.Hosts {
				require.NotContains(t, living, h.ID, "one life of a host")
				living[h.ID] = h.Incarnation
				require.False(t, h.Since.After(at))
				require.False(t, h.Draining && h.DrainsSince.After(at))
			}
			for host := range 3 {
				want := m.newest(host, now)
				if want < 0 {
					require.NotContains(t, living, fmt.Sprint(host))
					continue
				}
				require.Equal(t, name(want), living[fmt.Sprint(host)], "%+v", m.events)
				require.True(t, v.Lives(fmt.Sprint(host), name(want)))
				require.False(t, v.Lives(fmt.Sprint(host), name((want+3)%6)), "the other life of the host")
				require.False(t, v.Lives(fmt.Sprint(host), "unknown"), "another life is heard")
			}
			require.Equal(t, !r.settled, v.Lives("stranger", "unknown"))
		}
	})
}

// What a moment after a start, or a gap, does to hosts that were not heard yet.
func TestUnheardHostsAreGivenTime(t *testing.T) {
	now := time.Now()
	r := newRegister(TTL, now)
	later := func(d time.Duration) time.Time {
		now = now.Add(d)
		return now
	}
	require.False(t, r.judge(later(TTL-1)))
	require.True(t, r.view().Lives("a", "a1"))
	require.True(t, r.judge(later(1)), "it is over: who waits for that must be told")
	require.False(t, r.view().Lives("a", "a1"))
	require.True(t, r.hear(Beat{ID: "a", Incarnation: "a1"}, later(1)))
	require.True(t, r.judge(later(TTL)))
	require.False(t, r.view().Lives("a", "a1"))

	r.deaf(later(1))
	require.True(t, r.view().Lives("b", "b1"), "its beats may have been missed")
	require.False(t, r.view().Lives("a", "a1"), "it was dead before")
	require.Empty(t, r.view().Hosts)

	// What was said long ago is forgotten.
	r.leave("gone", later(1))
	r.judge(later(forget * TTL))
	require.Empty(t, r.lives)
}

// A host has lived, and drained, since it came back and was told to.
func TestSince(t *testing.T) {
	now := time.Now()
	r := newRegister(TTL, now)
	first := now.Add(1)
	r.hear(Beat{ID: "a", Incarnation: "1"}, first)
	r.hear(Beat{ID: "a", Incarnation: "1"}, first.Add(TTL/2))
	h, found := r.view().Find("a")
	require.True(t, found)
	require.Equal(t, first, h.Since)
	told := first.Add(TTL)
	require.True(t, r.hear(Beat{ID: "a", Incarnation: "1", Draining: true, Shards: 2}, told))
	require.False(t, r.hear(Beat{ID: "a", Incarnation: "1", Draining: true, Shards: 2}, told.Add(1)))
	require.True(t, r.hear(Beat{ID: "a", Incarnation: "1", Draining: true, Shards: 1}, told.Add(2)), "it gave one away")
	h, _ = r.view().Find("a")
	require.Equal(t, told, h.DrainsSince)
	require.True(t, r.judge(told.Add(2*TTL)))
	back := told.Add(3 * TTL)
	require.True(t, r.hear(Beat{ID: "a", Incarnation: "1"}, back))
	h, _ = r.view().Find("a")
	require.Equal(t, back, h.Since)
	_, found = r.view().Find("b")
	require.False(t, found)
}

// Work is not shared out before those who should be there have answered, or have had the time for it.
func TestExpectedHostsAreWaitedFor(t *testing.T) {
	now := time.Now()
	begin := func() *register {
		r := newRegister(TTL, now)
		r.expected = map[string]string{"a1": "a", "b1": "b", "c1": "c"}
		r.hear(Beat{ID: "a", Incarnation: "a1"}, now)
		r.hear(Beat{ID: "b", Incarnation: "b2"}, now) // it was restarted meanwhile
		require.False(t, r.view().Gathered)
		return r
	}
	r := begin()
	r.hear(Beat{ID: "c", Incarnation: "c1"}, now)
	require.True(t, r.view().Gathered)
	r = begin()
	r.leave("c1", now)
	require.True(t, r.view().Gathered)
	r = begin()
	require.False(t, r.judge(now.Add(TTL/gather-1)))
	require.False(t, r.view().Gathered)
	require.True(t, r.judge(now.Add(TTL/gather)))
	require.True(t, r.view().Gathered)
	require.True(t, newRegister(TTL, now).view().Gathered)
}
