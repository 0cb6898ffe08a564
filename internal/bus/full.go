package bus

import (
	"path/filepath"
	"syscall"

	"github.com/nats-io/nats-server/v2/server"
)

// roomToGoOn is how much must be free on a disk that was full before the server stores anything again, in bytes.
const roomToGoOn = 64 << 20

// A NATS server that could not write to a stream's file refuses every further record of that stream until it is started
// again, though there be room by then. What it has acknowledged is on disk. So here somebody says so, waits until there is
// room, and starts the storing again; publishers that repeat what was not acknowledged lose nothing.

// fullness is what the keeper knows of a disk that is full.
type fullness struct {
	config server.JetStreamConfig // as the server was started
	is     bool
	said   bool
}

// storing brings the storing back after the disk was full, and reports whether the server stores.
func (k *keeper) storing() bool {
	select {
	case <-k.noSpace:
		k.full.is = true
	default:
	}
	if !k.full.is {
		return true
	}
	free, err := freeBytes(k.dataDir)
	if !k.full.said {
		k.full.said = true
		k.log.Error("DISK FULL: nothing can be stored; runs wait, nothing that was acknowledged is lost. Free space, and they go on by themselves",
			"dir", k.dataDir, "free_bytes", free, "needed_bytes", roomToGoOn)
	}
	if err != nil || free < roomToGoOn {
		return false
	}
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
	k.full.is, k.full.said = false, false
	k.log.Warn("there is room on the disk again: going on", "free_bytes", free)
	k.reconnect()
	return true
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
