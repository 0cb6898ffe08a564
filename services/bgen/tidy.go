package bgen

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/objects"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// tidy removes from the store, now and then, what services that were killed while they stored a population have left there. A
// population that is stored half is of no use to anyone: drawing it again takes less time than finding out which half.
func (s *Service) tidy(ctx context.Context, js jetstream.JetStream) {
	again := time.NewTicker(s.tidyEach)
	defer again.Stop()
	for {
		n, err := objects.Sweep(ctx, js, subjects.StorePersonas, s.abandoned)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			s.log.Warn("store not tidied", "error", err)
		case n > 0:
			s.log.Info("populations that were stored half removed", "objects", n)
		}
		select {
		case <-again.C:
		case <-ctx.Done():
			return
		}
	}
}
