package bus

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"syscall"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	// leastToStore is how much must be free for records to be stored, in bytes: the megabytes that a host sends together are
	// written aside first, and then into their stream.
	leastToStore = 16 << 20
	// roomToGoOn is how much must be free on a disk that was full before it counts as having room again, in bytes.
	roomToGoOn = 64 << 20
	// sayFull is the pause between two words to the coordinator while the disk is full.
	sayFull = 5 * time.Second
)

// A NATS server that could not write to a stream's file refuses every further record of that stream until it is started
// again, though there be room by then. What it has acknowledged is on disk. Of a batch that it cannot write aside it says only that
// it is incomplete, and writes no line about it. So here somebody says so, waits until there is
// room, and starts the storing again; publishers that repeat what was not acknowledged lose nothing.

// fullness is what the keeper knows of a disk that is full.
type fullness struct {
	config server.JetStreamConfig // as the server was started
	is     bool
	closed bool      // a stream takes nothing any more until it is opened again
	said   bool      // in the log
	told   time.Time // to the coordinator
}

// storing brings the storing back after the disk was full, and reports whether the server stores.
func (k *keeper) storing() bool {
	select {
	case <-k.noSpace:
		k.full.is, k.full.closed = true, true
	default:
	}
	free, err := freeBytes(k.dataDir)
	if err == nil && free < leastToStore {
		k.full.is = true
	}
	if !k.full.is {
		return true
	}
	if !k.full.said {
		k.full.said = true
		k.log.Error("DISK FULL: nothing can be stored; runs wait, nothing that was acknowledged is lost. Free space, and they go on by themselves",
			"dir", k.dataDir, "free_bytes", free, "needed_bytes", roomToGoOn)
	}
	if err != nil || free < roomToGoOn {
		k.tellFull(free)
		return false
	}
	if k.full.closed && !k.open() {
		return false
	}
	k.full.is, k.full.closed, k.full.said, k.full.told = false, false, false, time.Time{}
	k.log.Warn("there is room on the disk again: going on", "free_bytes", free)
	return true
}

// open closes the stored streams and opens them again, and reports whether they are there.
func (k *keeper) open() bool {
	if err := k.ns.ShutdownJetStream(); err != nil {
		k.log.Error("the stored streams cannot be closed to open them again; stop and start again", "error", err)
		return false
	}
	cfg := k.full.config
	cfg.StoreDir = filepath.Dir(cfg.StoreDir) // the server appends its own part again
	if err := k.ns.EnableJetStream(&cfg); err != nil {
		k.log.Error("there is room on the disk again, but the stored streams do not come back; stop and start again", "error", err)
		return false
	}
	k.reconnect()
	return true
}

// tellFull tells the coordinators, who can say then why runs wait. On a server with users nobody may speak for the server; they
// hear from hosts that nothing is stored.
func (k *keeper) tellFull(free uint64) {
	if k.connect == nil || time.Since(k.full.told) < sayFull {
		return
	}
	k.full.told = time.Now()
	nc, err := k.connect("disk full")
	if err != nil {
		k.log.Debug("coordinators not told that the disk is full", "error", err)
		return
	}
	defer nc.Close()
	word, err := json.Marshal(map[string]string{
		"from":   "broker",
		"reason": fmt.Sprintf("the disk of the broker is full, %d MiB are free in %s and %d needed; free space there", free>>20, k.dataDir, roomToGoOn>>20),
	})
	if err == nil {
		_, err = nc.Request(subjects.Service(subjects.ServiceCoordinator, "trouble"), word, askWait)
	}
	if err != nil {
		k.log.Debug("coordinators not told that the disk is full", "error", err)
	}
}

// reconnect has every client connect anew, as after a start of the server: what was in memory only is gone, and clients make
// it again.
func (k *keeper) reconnect() {
	all, err := k.ns.Connz(&server.ConnzOptions{Limit: 1 << 20})
	if err != nil {
		k.log.Warn("clients not told to connect again", "error", err)
		return
	}
	for _, c := range all.Conns {
		if err := k.ns.DisconnectClientByID(c.Cid); err != nil {
			k.log.Debug("client not told to connect again", "client", c.Name, "error", err)
		}
	}
}

// freeBytes is how much an ordinary user may still write where a directory is.
func freeBytes(dir string) (uint64, error) {
	var fs syscall.Statfs_t
	if err := syscall.Statfs(dir, &fs); err != nil {
		return 0, err
	}
	return fs.Bavail * uint64(fs.Bsize), nil //nolint:gosec // not negative
}
