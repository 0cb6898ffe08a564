package coordinator

import (
	"context"
	"time"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Times and sizes of the watch over the room in the log.
const (
	roomEvery = 5 * time.Second
	// leastRoom is what the log needs to take any record: a little more than the largest one.
	leastRoom = 1 << 20
	// batchRoom is what it needs to take all that a host sends at once.
	batchRoom = 5 << 20
)

// watchRoom says when the log has reached the size it may have, and when it has room again. Hosts send their answers again
// until they are taken, so runs wait meanwhile and lose nothing; nothing can be recorded of it, for there is no room.
func (s *Service) watchRoom(ctx context.Context) {
	tick := time.NewTicker(roomEvery)
	defer tick.Stop()
	full := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		full = s.lookForRoom(ctx, full)
	}
}

// lookForRoom says whether the log is full where that is not what was known, and returns what is.
func (s *Service) lookForRoom(ctx context.Context, full bool) bool {
	used, limit, err := s.room(ctx)
	if err != nil {
		return full // the broker is away, which others say
	}
	now := limit > 0 && used+leastRoom > limit
	switch {
	case now && !full:
		s.log.Error("THE RUN LOG IS FULL: runs wait, nothing is lost; give it more room with "+
			"`nats stream edit "+subjects.StreamLog+" --max-bytes=…`, and they go on by themselves", "bytes", used, "limit", limit)
	case !now && full:
		s.log.Warn("the run log has room again: runs go on", "bytes", used, "limit", limit)
	}
	if now {
		s.stallAll(fullLog(used, limit))
	}
	return now
}

// room is how many bytes the log has and may have.
func (s *Service) room(ctx context.Context) (used, limit uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, damageTimeout)
	defer cancel()
	stream, err := s.js.Stream(ctx, subjects.StreamLog)
	if err != nil {
		return 0, 0, err
	}
	info := stream.CachedInfo()
	return info.State.Bytes, uint64(max(info.Config.MaxBytes, 0)), nil
}
