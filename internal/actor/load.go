package actor

import (
	"fmt"
	"sync"

	"github.com/myriad-sim/myriad/internal/wire"
)

// load counts the requests that are not answered yet.
type load struct {
	most      int
	mostBytes int64

	mu    sync.Mutex
	n     int
	bytes int64
}

// take makes room for a request. The error is ErrCrowded.
func (l *load) take(bytes int) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.n >= l.most || l.n > 0 && l.bytes+int64(bytes) > l.mostBytes {
		return fmt.Errorf("%w: %d requests of %d bytes together", wire.ErrCrowded, l.n, l.bytes)
	}
	l.n++
	l.bytes += int64(bytes)
	return nil
}

func (l *load) give(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.n--
	l.bytes -= int64(bytes)
}
