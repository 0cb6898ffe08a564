package agenthost

import (
	"time"
)

// A request that was never acknowledged may wait its turn at a proxy that is alive and busy, so it gets more time.
const unheardFactor = 3

// Calls that nobody took are sent again after this part of the time after which a silent proxy is lost.
const againPart = 12

// postponed is something to be done later.
type postponed struct {
	at time.Time
	do func()
}

// postpone has fn called on the asker's goroutine in a while, unless the asker is closed first.
func (a *asker) postpone(fn func()) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.later = append(a.later, postponed{time.Now().Add(a.lost / againPart), fn})
}

// due takes out what was postponed until now. All of it waits equally long, so it is in order.
func (a *asker) due(now time.Time) []postponed {
	a.mu.Lock()
	defer a.mu.Unlock()
	n := 0
	for n < len(a.later) && !a.later[n].at.After(now) {
		n++
	}
	due := a.later[:n:n]
	a.later = a.later[n:]
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
	now := time.Now().UnixNano()
	for _, o := range all {
		limit := a.lost
		if !o.p.acknowledged.Load() {
			limit *= unheardFactor
		}
		if silence && now-o.p.heard.Load() > int64(limit) {
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
