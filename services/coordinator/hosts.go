package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/hosts"
)

// serveHosts registers the endpoints that are about hosts, and the one for other coordinators.
func (s *Service) serveHosts(ctx context.Context) error {
	order := func(draining bool) func(context.Context, []byte) (any, error) {
		return func(ctx context.Context, data []byte) (any, error) {
			var o hosts.Order
			if err := json.Unmarshal(data, &o); err != nil {
				return nil, &control.Problem{Code: codeInvalid, Detail: fmt.Sprintf("not a JSON order like {\"id\": \"host-1\"}: %v", err)}
			}
			return s.drain(ctx, o.ID, draining)
		}
	}
	endpoints := map[string]func(context.Context, []byte) (any, error){
		hosts.EndpointList: func(context.Context, []byte) (any, error) {
			return hosts.Listing{Hosts: s.statuses()}, nil
		},
		hosts.EndpointDrain:   order(true),
		hosts.EndpointUndrain: order(false),
	}
	for name, handle := range endpoints {
		if err := s.endpoint(ctx, name, handle); err != nil {
			return err
		}
	}
	err := s.micro.AddEndpoint("drives", micro.HandlerFunc(s.sayDrives),
		micro.WithEndpointSubject(drivesSubject(s.cfg.ID)), micro.WithEndpointQueueGroupDisabled())
	if err == nil {
		err = s.nc.FlushTimeout(orderTimeout) // from here on everybody finds them
	}
	if err != nil {
		return fmt.Errorf("coordinator: register: %w", err)
	}
	return nil
}

// living are the hosts that live, by id.
func (s *Service) living() []hosts.Living { return s.observer.View().Hosts }

// statuses is how all living hosts are.
func (s *Service) statuses() []hosts.Status {
	out := []hosts.Status{}
	for _, h := range s.living() {
		out = append(out, s.statusOf(h.Beat))
	}
	return out
}

// statusOf is how a host is. One that drains has nothing left when it says so and no run of this coordinator knows better: it
// may not have read yet that it was given something just before.
func (s *Service) statusOf(b hosts.Beat) hosts.Status {
	if !b.Draining {
		return hosts.Status{Beat: b, State: hosts.StateLiving}
	}
	has := b.Shards
	s.mu.Lock()
	for _, d := range s.drivers {
		if owned := d.owned.Load(); owned != nil {
			has = max(has, (*owned)[b.Incarnation])
		}
	}
	s.mu.Unlock()
	if has > 0 {
		return hosts.Status{Beat: b, State: hosts.StateDraining}
	}
	return hosts.Status{Beat: b, State: hosts.StateDrained}
}

// tellHost bounds a word to a host.
const tellHost = 5 * time.Second

// drain tells a host to give its shards away, or to take some again. The host keeps that in mind and in its beats, which
// every coordinator hears, so nothing is lost when this one ends; a new life of the host knows nothing of it.
func (s *Service) drain(ctx context.Context, id string, draining bool) (hosts.Status, error) {
	v := s.observer.View()
	h, found := v.Find(id)
	if !found {
		return hosts.Status{}, &control.Problem{Code: codeNotFound, Detail: fmt.Sprintf("no agent host %.100q is running", id)}
	}
	if draining && !h.Draining {
		others := 0
		for _, other := range v.Hosts {
			if other.ID != id && !other.Draining {
				others++
			}
		}
		if others == 0 {
			return hosts.Status{}, &control.Problem{Code: codeLastHost, Detail: fmt.Sprintf(
				"%s is the only host that takes work, so its runs would wait; start another one first, or pause the runs and stop it", id)}
		}
	}
	data, err := json.Marshal(hosts.Telling{Draining: draining})
	if err != nil {
		return hosts.Status{}, fmt.Errorf("coordinator: encode: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, tellHost)
	defer cancel()
	m, err := s.nc.RequestWithContext(ctx, hosts.DrainSubject(h.Incarnation), data)
	if errors.Is(err, nats.ErrNoResponders) {
		return hosts.Status{}, &control.Problem{Code: codeNotFound, Detail: fmt.Sprintf("agent host %s has just gone", id)}
	}
	if err != nil {
		return hosts.Status{}, fmt.Errorf("coordinator: tell host %s: %w", id, err)
	}
	var b hosts.Beat
	if err := json.Unmarshal(m.Data, &b); err != nil || b.Incarnation != h.Incarnation {
		return hosts.Status{}, fmt.Errorf("coordinator: tell host %s: an answer that is no beat of it (%w)", id, err)
	}
	s.observer.Hear(b)
	s.log.Info("host told", "host", id, "draining", draining)
	return s.statusOf(b), nil
}

// watchHosts pokes every driver when hosts come, go or drain, and each second, so that a step that failed for want of a
// service or of the broker is taken again.
func (s *Service) watchHosts(ctx context.Context) {
	const every = time.Second
	t := time.NewTicker(every)
	defer t.Stop()
	for {
		s.mu.Lock()
		for _, d := range s.drivers {
			d.wake()
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-s.hostsChanged:
		}
	}
}

// noteHosts is called by the observer.
func (s *Service) noteHosts() {
	select {
	case s.hostsChanged <- struct{}{}:
	default:
	}
}
