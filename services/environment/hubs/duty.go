package hubs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// The bucket of environments holds one entry a hub and place: what is to be done so that the participants there hear what
// is said. A place is a host of code agents, or a shard of population agents. An entry is made before the first of its
// participants joins, and belongs to one life of the hub, from created to deleted. Its key begins with a token that
// subjects.Encode never makes, so it is no run's.
const (
	dutyPrefix = "=hub."
	leaseKey   = "=hubs.lease"
)

// What is to be done for a place.
const (
	modeAsk  = "ask"  // find out whether the host reads the stream itself
	modeHear = "hear" // nothing: it does
	modePush = "push" // carry everything to its participants
)

// duty is an entry.
type duty struct {
	Mode string                      `json:"mode"`
	Via  subjects.Address            `json:"via,omitempty"`  // one of the participants
	Seen uint64                      `json:"seen"`           // records up to it were looked at for who joins
	Upto map[subjects.Address]uint64 `json:"upto,omitempty"` // participants, with the last record that each has done with
}

// place is where a participant is served: a part of the key of a duty.
func place(a subjects.Address) (key, host string) {
	if h, _, ok := a.Code(); ok {
		return "host." + subjects.Encode(h), h
	}
	return string(a[:strings.LastIndexByte(string(a), '.')]), ""
}

// dutyKey is the key of a duty.
func dutyKey(run, hub string, created uint64, at string) string {
	return dutyPrefix + subjects.Encode(run) + "." + subjects.Encode(hub) + "." + strconv.FormatUint(created, 10) + "." + at
}

// errKey says that a key is not that of a duty.
var errKey = errors.New("not the key of a duty")

// parseDuty reads a key that dutyKey made.
func parseDuty(key string) (run, hub string, created uint64, at string, err error) {
	rest, ok := strings.CutPrefix(key, dutyPrefix)
	t := strings.SplitN(rest, ".", 4)
	if !ok || len(t) != 4 {
		return "", "", 0, "", fmt.Errorf("%w: %q", errKey, key)
	}
	if run, err = subjects.Decode(t[0]); err == nil {
		hub, err = subjects.Decode(t[1])
	}
	if err == nil {
		created, err = strconv.ParseUint(t[2], 10, 64)
	}
	if err != nil {
		return "", "", 0, "", fmt.Errorf("%w: %q: %w", errKey, key, err)
	}
	return run, hub, created, t[3], nil
}

// note makes the duties for those who are about to join. It asks until the broker answers or ctx is done.
func (h *hub) note(ctx context.Context, list []subjects.Address) error {
	for _, a := range list {
		at, host := place(a)
		if h.noted[at] {
			continue
		}
		d := duty{Mode: modeAsk, Via: a, Seen: h.state.created}
		if host == "" {
			d = duty{Mode: modePush, Seen: h.state.created}
		}
		data, err := json.Marshal(d)
		if err != nil {
			return err
		}
		for wait := firstPause; ; wait = min(2*wait, longestPause) {
			_, err := h.kv.Create(ctx, dutyKey(h.run, h.name, h.state.created, at), data)
			if err == nil || errors.Is(err, jetstream.ErrKeyExists) {
				break
			}
			if h.nc.IsClosed() {
				return err
			}
			if err := pause(ctx, wait); err != nil {
				return err
			}
		}
		h.noted[at] = true
	}
	return nil
}

// forget removes the duties of a hub that was deleted, but for those that still have something to carry: they end by
// themselves. What a crash leaves behind costs a line in the bucket.
func (h *hub) forget(ctx context.Context, created uint64) {
	keys, err := h.kv.ListKeysFiltered(ctx, dutyKey(h.run, h.name, created, ">"))
	if err != nil {
		h.log.Warn("duties of a deleted hub not listed", "run", h.run, "hub", h.name, "error", err)
		return
	}
	for key := range keys.Keys() {
		e, err := h.kv.Get(ctx, key)
		var d duty
		if err == nil && json.Unmarshal(e.Value(), &d) == nil && d.Mode != modePush {
			err = h.kv.Delete(ctx, key, jetstream.LastRevision(e.Revision()))
		}
		if err != nil && ctx.Err() == nil {
			h.log.Debug("duty of a deleted hub left", "key", key, "error", err)
		}
	}
}
