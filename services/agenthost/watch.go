package agenthost

import (
	"slices"
	"time"
)

// Calls are sent again after this part of the time after which a silent proxy is lost, at first; then twice as late each
// time, up to that time.
const againPart = 12

// postponed is something to be done later.
type postponed struct {
	at time.Time
	do func()
}

// postpone has fn called on the asker's goroutine in a while, the later the more tries there were, unless the asker is
// closed first.
func (a *asker) postpone(tries int, fn func()) {
	wait := min(a.lost/againPart<<min(tries, 8), a.lost)
	a.mu.Lock()
	defer a.mu.Unlock()
	a.later = append(a.later, postponed{time.Now().Add(wait), fn})
}

// due takes out what was postponed until now.
func (a *asker) due(now time.Time) (due []postponed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.later = slices.DeleteFunc(a.later, func(p postponed) bool {
		if p.at.After(now) {
			return false
		}
		due = append(due, p)
		return true
	})
	return due
}

// watch hands back the requests of silent proxies and lets open ones flush what they have. While this host has not kept
// up with what it was sent, silence proves nothing: the sign of life may be in a queue.
func (a *asker) watch(every time.Duration) {
	t := time.NewTicker(every)
	defer t.Stop()
	behind := true
	for {
		select {
		case <-a.stop:
			return
		case <-t.C:
		}
		for _, p := range a.due(time.Now()) {
			p.do()
		}
		wasBehind := behind
		behind = a.behind()
		if lost := a.look(!behind && !wasBehind); lost > 0 {
			a.log.Warn("an llmproxy fell silent; its calls go out again", "requests", lost)
		}
	}
}

// behind reports whether there may be messages that were not looked at.
func (a *asker) behind() bool {
	waiting, _, err := a.sub.Pending()
	for _, q := range a.queues {
		waiting += len(q)
	}
	return err != nil || waiting > 0 || !a.nc.IsConnected()
}

// look goes over the open requests and returns how many were given up; none are unless silence counts.
func (a *asker) look(silence bool) (lost int) {
	type open struct {
		id uint64
		p  *pendingCall
	}
	a.mu.Lock()
	all := make([]open, 0, len(a.pending))
	for id, p := range a.pending {
		all = append(all, open{id, p})
	}
	a.mu.Unlock()
	now := a.now()
	for _, o := range all {
		if silence && now-o.p.heard.Load() > int64(a.lost) {
			a.end(o.id, o.p, errProxyLost)
			lost++
			continue
		}
		o.p.mu.Lock()
		if !o.p.over {
			o.p.to.tick()
		}
		o.p.mu.Unlock()
	}
	return lost
}
