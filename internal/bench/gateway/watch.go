package gateway

import (
	"context"
	"slices"
	"time"

	"github.com/myriad-sim/myriad/internal/bench"
)

// lookEvery is how often memory and calls in flight are looked at during a load.
const lookEvery = 200 * time.Millisecond

// look is what processes have used and servers have counted up to a moment.
type look struct {
	broker, between, servers bench.Seen // servers: all together
	asked, busiest           uint64     // conversations, of all servers and of the one that had most
	requests                 uint64
	queries, hits            uint64 // tokens looked up in prefix caches, and found
}

func (b *bed) look(ctx context.Context) (look, error) {
	var at look
	var err error
	if b.broker != nil {
		if at.broker, err = b.broker.See(ctx); err != nil {
			return at, err
		}
	}
	if b.between != nil {
		if at.between, err = b.between.See(ctx); err != nil {
			return at, err
		}
	}
	for _, s := range b.servers {
		seen, err := s.See(ctx)
		if err != nil {
			return at, err
		}
		st, err := s.stats(ctx)
		if err != nil {
			return at, err
		}
		at.servers.CPU += seen.CPU
		at.asked += st.Asked
		at.busiest = max(at.busiest, st.Asked)
		at.requests += st.Requests
		at.queries += st.PrefixQueries
		at.hits += st.PrefixHits
	}
	return at, nil
}

// add adds what happened since a look before the first call of a bed.
func (at look) add(to bench.Figures, before look) {
	n := to[Answered]
	to[ServerCPU] = (at.servers.CPU - before.servers.CPU) / n
	to[BatchSize] = float64(at.asked-before.asked) / float64(at.requests-before.requests)
	to[HitShare] = float64(at.hits-before.hits) / float64(max(1, at.queries-before.queries))
	to[Even] = float64(at.busiest) / float64(at.asked)
	if at.broker.Resident > 0 {
		to[BrokerCPU] = (at.broker.CPU - before.broker.CPU) / n
		to[ProxyCPU] = (at.between.CPU - before.between.CPU) / n
		to[ProxyStart], to[ProxyEnd] = before.between.Resident, at.between.Resident
		to[ProxyPeak] = max(to[ProxyPeak], before.between.Resident, at.between.Resident)
	}
}

// watched is what was seen while a load was played.
type watched struct {
	resident float64
	inFlight []float64 // of all servers together
}

// watch looks until ctx ends. What cannot be seen, since a process is stopping, is left out: load finds out why.
func (b *bed) watch(ctx context.Context) watched {
	var w watched
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return w
		case <-ticker.C:
		}
		if b.between != nil {
			if seen, err := b.between.See(ctx); err == nil {
				w.resident = max(w.resident, seen.Resident)
			}
		}
		sum, all := 0, true
		for _, s := range b.servers {
			st, err := s.stats(ctx)
			sum, all = sum+st.InFlight, all && err == nil
		}
		if all {
			w.inFlight = append(w.inFlight, float64(sum))
		}
	}
}

func (w watched) add(to bench.Figures) {
	to[ProxyPeak] = w.resident
	if len(w.inFlight) > 0 {
		slices.Sort(w.inFlight)
		to[InFlight], to[InFlightPeak] = w.inFlight[len(w.inFlight)/2], w.inFlight[len(w.inFlight)-1]
	}
}
