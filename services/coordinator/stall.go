package coordinator

import (
	"context"
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	// stallHeard is how long a word of a stall counts that is not said again; those who say it do so every few seconds.
	stallHeard = 20 * time.Second
	// fromBroker is who knows for sure why nothing is stored.
	fromBroker = "broker"
)

// stall is why no record of a run is stored. It cannot be recorded, so it is known only here, and to whoever asks here.
type stall struct {
	at   time.Time
	why  string
	sure bool // said by the broker, or read from it: what others suspect does not replace it
}

// fresh reports whether it was said not long ago.
func (s *stall) fresh() bool { return s != nil && time.Since(s.at) < stallHeard }

// stall notes why no record of the run is stored, and reports whether that is news.
func (d *driver) stall(now stall) bool {
	last := d.stalled.Load()
	if last.fresh() && last.sure && !now.sure {
		return false
	}
	now.at = time.Now()
	d.stalled.Store(&now)
	return !last.fresh()
}

// moves notes that a record was stored.
func (d *driver) moves() {
	if d.stalled.Load() != nil {
		d.stalled.Store(nil)
	}
}

// explain says of a run that gets nothing stored why that is.
func (s *Service) explain(i *control.Info) {
	s.mu.Lock()
	d := s.drivers[i.ID]
	s.mu.Unlock()
	if d == nil || i.State != "created" && i.State != "running" {
		return
	}
	if now := d.stalled.Load(); now.fresh() {
		i.Reason = control.Waits + now.why
	}
}

// stallAll notes why nothing is stored, for every run, and reports whether that is news for any.
func (s *Service) stallAll(now stall) (news bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.drivers {
		if d.stall(now) {
			news = true
		}
	}
	return news
}

// hearStall takes in that somebody cannot get records into the log.
func (s *Service) hearStall(ctx context.Context, t runlog.Trouble) {
	now := stall{at: time.Now(), why: fmt.Sprintf("%.*s", longestWord, t.Reason), sure: true}
	if t.From == fromBroker {
		s.broker.Store(&now)
	} else {
		now = s.unstored(ctx, t.From, t.Reason)
	}
	if s.stallAll(now) {
		s.log.Error("runs wait", "why", now.why)
	}
}

// unstored is why records of somebody are not stored, who only sees that they are not: what the broker has said, or the log shows.
func (s *Service) unstored(ctx context.Context, who, saw string) stall {
	used, limit, err := s.room(ctx)
	if err == nil && limit > 0 && used+batchRoom > limit {
		return fullLog(used, limit)
	}
	if known := s.broker.Load(); known.fresh() { // though a record was stored since
		return *known
	}
	return stall{why: fmt.Sprintf("the broker stores no records, its disk may be full (%.*s: %.*s)", longestWord, who, longestWord, saw)}
}

func fullLog(used, limit uint64) stall {
	return stall{why: fmt.Sprintf("the run log is full, %d of %d bytes; more room: nats stream edit %s --max-bytes=…", used, limit, subjects.StreamLog), sure: true}
}
