package fleet

import "sync"

// crew is goroutines that make attempts. One that has made one stays for the next: on the way through net/http its stack has
// grown, which would cost as much again with each attempt. The zero value is ready for use.
type crew struct {
	mu    sync.Mutex
	idle  []chan func() // of goroutines that have nothing to do
	ended bool
	all   sync.WaitGroup
}

// keepCrew is how many goroutines with nothing to do stay.
const keepCrew = 1024

// do has work done on a goroutine, and does not wait for it.
func (c *crew) do(work func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.idle); n > 0 {
		c.idle[n-1] <- work // it has room for one
		c.idle = c.idle[:n-1]
		return
	}
	c.all.Go(func() {
		next := make(chan func(), 1)
		for ok := true; ok; work, ok = <-next {
			work()
			if !c.rest(next) {
				return
			}
		}
	})
}

// rest notes a goroutine that has nothing to do; false: it is not needed any more.
func (c *crew) rest(next chan func()) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || len(c.idle) >= keepCrew {
		return false
	}
	c.idle = append(c.idle, next)
	return true
}

// wait returns when all work is done and all goroutines have ended. Nothing may be given to the crew any more.
func (c *crew) wait() {
	c.mu.Lock()
	c.ended = true
	for _, next := range c.idle {
		close(next)
	}
	c.idle = nil
	c.mu.Unlock()
	c.all.Wait()
}
