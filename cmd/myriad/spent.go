package main

import (
	"context"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	bookedWithin = 3 * time.Second // llmproxies book what was used each second
	bookedPoll   = 100 * time.Millisecond
)

// spent completes the receipt of a run with its usage account. Where the run has only just ended it waits until all of it
// is booked. An account that cannot be read keeps nobody from the results.
func (s *screen) spent(ctx context.Context, js jetstream.JetStream, st *runlog.State, sum *report.Summary) {
	if !slices.ContainsFunc(st.Scenario.Models, func(m scenario.Model) bool { return !m.Behavioural() }) {
		return
	}
	kv, err := js.KeyValue(ctx, subjects.BucketUsage)
	var a usage.Account
	for err == nil {
		a, err = usage.Read(ctx, kv, st.Run)
		if err != nil || results.Settled(sum, a) || time.Since(st.EndedAt) > bookedWithin {
			break
		}
		select {
		case <-time.After(bookedPoll):
		case <-ctx.Done():
			err = ctx.Err()
		}
	}
	if err != nil {
		s.printf("What was spent beside the answers is not known: %v\n", err)
		return
	}
	results.Spent(sum, a)
}
