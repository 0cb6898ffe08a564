package agenthost

import (
	"context"

	"github.com/myriad-sim/myriad/internal/actor"
)

// newCode makes what serves the code agents of this host: under its id, in all runs.
func (s *Service) newCode() error {
	c := s.cfg
	code, err := actor.New(s.nc, s.log, actor.Config{
		Host: s.beat.ID, Incarnation: s.beat.Incarnation, Kinds: c.Kinds, Broker: c.Broker, Workers: c.Workers, MaxWaiting: c.MaxWaiting,
		MaxWaitingBytes: c.MaxWaitingBytes, Keep: c.KeepResults, KeepBytes: c.KeepResultBytes, CallTimeout: c.CallTimeout,
	})
	s.code = code
	return err
}

// watchCode passes on what ends the work of the code agents: the host is then none any more.
func (s *Service) watchCode(ctx context.Context) {
	select {
	case err := <-s.code.Failed():
		s.fail(ctx, err)
	case <-ctx.Done():
	}
}
