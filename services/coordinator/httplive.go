package coordinator

import (
	"context"
	"errors"
	"time"

	"github.com/myriad-sim/myriad/internal/control"
)

// current lists the runs as they are now. The bucket they are listed from lags behind where a coordinator died between
// the last record of a run and its projection: no driver takes up a run that is over, so it is read from the log here.
func (s *Service) current(ctx context.Context) ([]control.Info, error) {
	list, err := s.list(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		s.mu.Lock()
		driven := s.drivers[list[i].ID] != nil
		s.mu.Unlock()
		if !driven && !list[i].Over() {
			st, err := s.read(ctx, list[i].ID)
			if errors.Is(err, ErrDamaged) || errors.Is(err, ErrNoRun) {
				s.giveUp(ctx, list[i].ID, err)
				list[i] = s.damagedInfo(ctx, list[i].ID, err.Error())
				continue
			}
			if err != nil {
				return nil, err
			}
			s.project(ctx, st)
			list[i] = info(st)
		}
		s.advance(&list[i])
	}
	return list, nil
}

// Progress is how far an open round is.
type Progress struct {
	Round    int `json:"round"`
	Answered int `json:"answered" doc:"Answers of the open round so far."`
	Expected int `json:"expected" doc:"Answers the round needs."`
}

// progress reports how far the open round of a run is, if one is open and this coordinator folds the run.
func (s *Service) progress(run string) (Progress, bool) {
	s.mu.Lock()
	d := s.drivers[run]
	s.mu.Unlock()
	if d == nil {
		return Progress{}, false
	}
	now := d.shown.Load()
	if now == nil || !now.open {
		return Progress{}, false
	}
	return Progress{Round: now.info.Round, Answered: now.info.Answered, Expected: now.info.Expected}, true
}

// advance adds to what the log's control records say of a run how far its open round is.
func (s *Service) advance(i *control.Info) {
	if p, ok := s.progress(i.ID); ok && p.Round == i.Round && !i.Over() {
		i.Answered = p.Answered
	}
}

// progressEvery bounds how often progress is told.
const progressEvery = 200 * time.Millisecond
