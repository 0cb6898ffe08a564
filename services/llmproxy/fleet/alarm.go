package fleet

import (
	"container/heap"
	"time"
)

// alarms are what is to be done later. The pump does it, under the lock.
type alarms []alarm

type alarm struct {
	at time.Time
	do func(now time.Time)
}

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }

// Push implements heap.Interface.
func (a *alarms) Push(x any) { *a = append(*a, x.(alarm)) }

// Pop implements heap.Interface.
func (a *alarms) Pop() any {
	old := *a
	last := old[len(old)-1]
	old[len(old)-1] = alarm{}
	*a = old[:len(old)-1]
	return last
}

// at has something done at a time. f.mu is held.
func (f *Fleet) at(t time.Time, do func(now time.Time)) {
	heap.Push(&f.alarms, alarm{t, do})
	if f.alarms[0].at.Equal(t) {
		f.kick() // the pump may sleep until a later one
	}
}

// ring does what is due. f.mu is held.
func (f *Fleet) ring(now time.Time) {
	for len(f.alarms) > 0 && !f.alarms[0].at.After(now) {
		heap.Pop(&f.alarms).(alarm).do(now)
	}
}

// quiet is how long nothing is due; false: nothing is to be done later. f.mu is held.
func (f *Fleet) quiet(now time.Time) (time.Duration, bool) {
	if len(f.alarms) == 0 {
		return 0, false
	}
	return f.alarms[0].at.Sub(now), true
}
