package bus

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// markEvery is how often it is written down how far the streams have gone.
const markEvery = time.Second

// keeper writes down how far the streams of a running server have gone, so that the next start can tell a stream that lost
// its end from one that never had it. What was stored in the last second may be missing from it.
type keeper struct {
	ns      *server.Server
	connect func(name string) (*nats.Conn, error) // nil on a server with users, where nobody may purge
	dataDir string
	log     *slog.Logger
	quit    chan struct{}
	done    sync.WaitGroup
	written watermarks
	full    fullness
	noSpace <-chan struct{} // the server could not write for want of room
}

func newKeeper(s *Server, connect func(name string) (*nats.Conn, error), noSpace <-chan struct{}) *keeper {
	k := &keeper{ns: s.ns, connect: connect, dataDir: s.dir.path, log: s.log, quit: make(chan struct{}), noSpace: noSpace}
	if cfg := s.ns.JetStreamConfig(); cfg != nil {
		k.full.config = *cfg
	}
	k.done.Go(func() {
		tick := time.NewTicker(markEvery)
		defer tick.Stop()
		for {
			select {
			case <-k.quit:
				k.note()
				return
			case <-tick.C:
				if k.storing() {
					k.note()
				}
			}
		}
	})
	return k
}

// stop writes a last time.
func (k *keeper) stop() {
	close(k.quit)
	k.done.Wait()
}

// note writes the marks if they have moved.
func (k *keeper) note() {
	marks := k.look()
	if marks == nil || reflect.DeepEqual(marks, k.written) {
		return
	}
	if err := marks.write(k.dataDir); err != nil {
		k.log.Warn("not written down how far the streams have gone", "error", err)
		return
	}
	k.written = marks
}

// look asks the server how far the streams have gone. It has synced what it counts.
func (k *keeper) look() watermarks {
	info, err := k.ns.Jsz(&server.JSzOptions{Streams: true})
	if err != nil {
		return nil
	}
	marks := watermarks{}
	for _, account := range info.AccountDetails {
		for _, s := range account.Streams {
			if s.Name == subjects.StreamLog || s.Name == subjects.StreamHub {
				marks[s.Name] = &watermark{First: s.State.FirstSeq, Last: s.State.LastSeq, Purged: k.purged(s.Name, s.State)}
			}
		}
	}
	return marks
}

// purged lists what was deleted on request: what the server does not have, and has not lost. It asks anew only when there
// is more of it.
func (k *keeper) purged(name string, state server.StreamState) [][2]uint64 {
	if state.NumDeleted == 0 || k.connect == nil {
		return nil
	}
	if before := k.written[name]; before != nil && before.purged() == uint64(state.NumDeleted) { //nolint:gosec // a count
		return before.Purged
	}
	detail, err := k.detail(name)
	if err != nil {
		k.log.Warn("not known which records were deleted", "stream", name, "error", err)
		return nil
	}
	lost := map[uint64]bool{}
	if detail.Lost != nil {
		for _, seq := range detail.Lost.Msgs {
			lost[seq] = true
		}
	}
	var out [][2]uint64
	for _, seq := range detail.Deleted {
		switch n := len(out); {
		case lost[seq]:
		case n > 0 && out[n-1][1]+1 == seq:
			out[n-1][1] = seq
		default:
			out = append(out, [2]uint64{seq, seq})
		}
	}
	return out
}

// detail asks for all that the server knows of a stream; the Go client leaves out what was lost.
func (k *keeper) detail(name string) (server.StreamState, error) {
	nc, err := k.connect("watermarks")
	if err != nil {
		return server.StreamState{}, err
	}
	defer nc.Close()
	ask, err := json.Marshal(server.JSApiStreamInfoRequest{DeletedDetails: true})
	if err != nil {
		return server.StreamState{}, err
	}
	reply, err := nc.Request(fmt.Sprintf(server.JSApiStreamInfoT, name), ask, askWait)
	if err != nil {
		return server.StreamState{}, err
	}
	var info server.JSApiStreamInfoResponse
	if err := json.Unmarshal(reply.Data, &info); err != nil || info.StreamInfo == nil {
		return server.StreamState{}, errors.Join(err, info.ToError())
	}
	return info.State, nil
}
