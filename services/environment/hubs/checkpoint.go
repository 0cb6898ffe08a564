package hubs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// keptVersion is the version of kept. Fields are only ever appended.
const keptVersion = 1

// errKept says that a checkpoint is not what a hub is like.
var errKept = errors.New("not the state of a hub")

// kept is the state of a hub in a checkpoint, which names the last record.
type kept struct {
	_msgpack struct{} `msgpack:",as_array"`
	Version  int
	Created  uint64
	In       []keptMember // in the order in which they joined
	Requests []keptRequest
}

type keptMember struct {
	_msgpack struct{} `msgpack:",as_array"`
	Address  subjects.Address
	Joined   uint64
}

type keptRequest struct {
	_msgpack struct{} `msgpack:",as_array"`
	Sender   subjects.Address
	ID       string
	First    uint64
	N        int
}

// keep copies the state.
func (s *state) keep() *kept {
	k := &kept{Version: keptVersion, Created: s.created, Requests: make([]keptRequest, 0, len(s.order))}
	for who, joined := range s.in {
		k.In = append(k.In, keptMember{Address: who, Joined: joined})
	}
	slices.SortFunc(k.In, func(a, b keptMember) int {
		return cmp.Or(cmp.Compare(a.Joined, b.Joined), cmp.Compare(a.Address, b.Address))
	})
	for _, r := range s.order {
		at := s.ids[r]
		k.Requests = append(k.Requests, keptRequest{Sender: r.sender, ID: r.id, First: at.first, N: at.n})
	}
	return k
}

// unkeep reads a state that was kept, as it was at a record.
func unkeep(last uint64, data []byte) (state, error) {
	var k kept
	if err := msgpack.Unmarshal(data, &k); err != nil {
		return state{}, fmt.Errorf("%w: %w", errKept, err)
	}
	if k.Version != keptVersion {
		return state{}, fmt.Errorf("%w: version %d, this program reads %d", errKept, k.Version, keptVersion)
	}
	s := state{last: last, created: k.Created, ids: map[request]span{}}
	if k.Created != 0 {
		s.in = map[subjects.Address]uint64{}
	}
	for _, m := range k.In {
		if s.in == nil {
			return state{}, fmt.Errorf("%w: participants of none", errKept)
		}
		s.in[m.Address] = m.Joined
	}
	for _, r := range k.Requests {
		key := request{r.Sender, r.ID}
		if _, twice := s.ids[key]; twice || r.N < 1 {
			return state{}, fmt.Errorf("%w: request %q of %q", errKept, r.ID, r.Sender)
		}
		s.ids[key] = span{r.First, r.N}
		s.order = append(s.order, key)
	}
	return s, nil
}

// fromCheckpoint begins with the newest checkpoint of the hub, if there is one. What came after it is to be read.
func (h *hub) fromCheckpoint(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, checkpointTime)
	defer cancel()
	size := 0
	err := h.checkpoints.Load(ctx, h.subject, func(seq uint64, data []byte) error {
		s, err := unkeep(seq, data)
		if err == nil {
			h.state, size = s, len(data)
		}
		return err
	})
	if err != nil {
		h.log.Warn("checkpoint of a hub not read; all of it is", "run", h.run, "hub", h.name, "error", err)
	}
	h.tail.From(size)
}

// putAway has a checkpoint written if one is due.
func (h *hub) putAway(ctx context.Context) {
	if !h.tail.Due(h.tailRecords) {
		return
	}
	h.tail.Begin()
	seq, k := h.state.last, h.state.keep()
	h.tasks.Go(func() {
		size := 0
		defer func() { h.tail.Done(size) }()
		data, err := msgpack.Marshal(k)
		if err == nil {
			err = h.checkpoints.Save(ctx, h.subject, seq, data)
		}
		if err == nil {
			size = len(data)
		} else if ctx.Err() == nil {
			h.log.Warn("no checkpoint of a hub", "run", h.run, "hub", h.name, "error", err)
		}
	})
}

// checkpointTime is for the reading of a checkpoint.
const checkpointTime = 30 * time.Second
