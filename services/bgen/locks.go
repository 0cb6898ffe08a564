package bgen

import "sync"

// locks is a mutex for every name that is in use.
type locks struct {
	mu   sync.Mutex
	held map[string]*claim
}

type claim struct {
	mu    sync.Mutex
	users int // who holds or waits for mu; guarded by locks.mu
}

// acquire waits until nobody else has the name, and returns what lets the next one in.
func (l *locks) acquire(name string) (release func()) {
	l.mu.Lock()
	if l.held == nil {
		l.held = map[string]*claim{}
	}
	c := l.held[name]
	if c == nil {
		c = &claim{}
		l.held[name] = c
	}
	c.users++
	l.mu.Unlock()
	c.mu.Lock()
	return func() {
		c.mu.Unlock()
		l.mu.Lock()
		defer l.mu.Unlock()
		if c.users--; c.users == 0 {
			delete(l.held, name)
		}
	}
}
