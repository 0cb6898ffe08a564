package agenthost

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"sync"
	"time"

	"github.com/nats-io/nats.go/micro"
	"github.com/shirou/gopsutil/v4/process"

	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// beats is what the host says of itself, and when.
type beats struct {
	fence *fence
	soon  chan struct{} // a beat is wanted at once

	mu   sync.Mutex // held while one is written: they come in order, and none behind the goodbye
	last hosts.Beat
	left bool
	cpu  cpuMeter
}

// lookAgain is how often the host looks whether there is something to say, where the next beat would be late.
const lookAgain = 100 * time.Millisecond

// announce puts beats into the register until ctx is done.
func (s *Service) announce(ctx context.Context) {
	t := time.NewTicker(s.cfg.Heartbeat)
	defer t.Stop()
	for {
		var again <-chan time.Time
		if s.resting() {
			again = time.After(lookAgain)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-s.beats.soon:
		case <-again:
			if !s.beats.fence.closed() && !s.gaveAway() {
				continue
			}
		}
		if err := s.say(ctx); err != nil && ctx.Err() == nil {
			s.log.Warn("heartbeat not written", "error", err)
		}
	}
}

// sayWithin bounds the writing of a beat: the next one is not to wait for it.
const sayWithin = time.Second

// say puts a beat into the register. The first one after a silence in which this host may have been given up lets it ask
// again only once it has read who has its shards now.
func (s *Service) say(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, sayWithin)
	defer cancel()
	silent, sent := s.beats.fence.closed(), time.Now()
	b := s.now()
	s.beats.mu.Lock()
	defer s.beats.mu.Unlock()
	if s.beats.left {
		return nil
	}
	b.CPU = s.beats.cpu.rate(sent)
	s.beats.last = b
	if err := hosts.Put(ctx, s.register, b); err != nil {
		return err
	}
	if silent && !s.upToDate(ctx) {
		return nil // the silence goes on; the next beat comes soon
	}
	s.beats.fence.open(sent)
	if silent {
		s.log.Warn("this host was cut off, or stood still; it has read what became of its shards, and goes on")
		s.wakeRuns()
	}
	return nil
}

// leave takes the host off the register for good. Where that fails its silence says the same a little later.
func (s *Service) leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*sayWithin)
	defer cancel()
	s.beats.mu.Lock()
	defer s.beats.mu.Unlock()
	s.beats.left = true
	if err := hosts.Remove(ctx, s.register, s.beat.Incarnation); err != nil {
		s.log.Warn("goodbye not written", "error", err)
	}
}

// now is how the host is.
func (s *Service) now() hosts.Beat {
	b := s.beat
	b.Draining = s.draining.Load()
	b.InFlight = int(s.flight.inUse())
	// In this order: an answer is on its way to the log before its agent is in flight no more.
	b.Quiet = b.Draining && b.InFlight == 0 && len(s.appender.places) == 0
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	b.MemoryBytes = m.Sys
	b.CodeAgents = s.code.Agents()
	b.Agents = b.CodeAgents
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, h := range s.runs {
		agents, shards := h.run.counts()
		b.Agents += agents
		b.Shards += shards
	}
	return b
}

// gaveAway reports whether the host has become quiet, or has other shards than it said last.
func (s *Service) gaveAway() bool {
	s.beats.mu.Lock()
	last := s.beats.last
	s.beats.mu.Unlock()
	b := s.now()
	return b.Quiet != last.Quiet || b.Shards != last.Shards
}

// speakUp has a beat put soon.
func (s *Service) speakUp() {
	select {
	case s.beats.soon <- struct{}{}:
	default:
	}
}

// serveMicro registers the endpoints of the host.
func (s *Service) serveMicro() error {
	service := func(endpoint string) micro.EndpointOpt {
		return micro.WithEndpointSubject(subjects.Service(subjects.ServiceAgentHost, endpoint))
	}
	all := micro.WithEndpointQueueGroupDisabled() // each host is asked
	for _, e := range []struct {
		name    string
		do      func(micro.Request)
		options []micro.EndpointOpt
	}{
		{"info", func(req micro.Request) { s.reply(req, s.now()) }, []micro.EndpointOpt{service("info")}},
		{"announce", func(micro.Request) { s.speakUp() }, []micro.EndpointOpt{micro.WithEndpointSubject(hosts.AnnounceSubject()), all}},
		{"drain", s.obeyDrain, []micro.EndpointOpt{micro.WithEndpointSubject(hosts.DrainSubject(s.beat.Incarnation)), all}},
	} {
		if err := s.micro.AddEndpoint(e.name, micro.HandlerFunc(e.do), e.options...); err != nil {
			return fmt.Errorf("agenthost: register %s: %w", e.name, err)
		}
	}
	return nil
}

func (s *Service) reply(req micro.Request, b hosts.Beat) {
	if err := req.RespondJSON(b); err != nil {
		s.log.Warn("request not answered", "endpoint", req.Subject(), "error", err)
	}
}

// cpuMeter measures the processors that this process uses. It is not safe for concurrent use.
type cpuMeter struct {
	at   time.Time
	used float64 // seconds of all processors together, at that time
	last float64
}

// meterEvery is the shortest time that is measured.
const meterEvery = 500 * time.Millisecond

// rate is how many processors were used lately; 0 where the system does not tell.
func (c *cpuMeter) rate(now time.Time) float64 {
	passed := now.Sub(c.at)
	if passed < meterEvery {
		return c.last
	}
	t, err := (&process.Process{Pid: int32(os.Getpid())}).Times() //nolint:gosec // process ids are small
	if err != nil {
		return 0
	}
	used := t.User + t.System
	if !c.at.IsZero() {
		c.last = math.Round(100*(used-c.used)/passed.Seconds()) / 100
	}
	c.at, c.used = now, used
	return c.last
}
