package stack

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/myriad-sim/myriad/internal/lifecycle"
	"github.com/myriad-sim/myriad/internal/monitor"
)

// monitored adds the metrics of a service to those of the process.
func (s *Stack) monitored(svc lifecycle.Service) error {
	c, ok := svc.(prometheus.Collector)
	if s.monitor == nil || !ok {
		return nil
	}
	return s.monitor.Register(c)
}

// ready lets the monitor say that the services work, as long as they can.
func (s *Stack) ready(js jetstream.JetStream) {
	if s.monitor == nil {
		return
	}
	s.monitor.Ready(func(ctx context.Context) error { return s.wellConnected(ctx, js) })
}

// wellConnected checks that every connection stands and that the streams of the services have leaders.
func (s *Stack) wellConnected(ctx context.Context, js jetstream.JetStream) error {
	for _, nc := range s.conns {
		if !nc.IsConnected() {
			return errors.New("not connected to the NATS server")
		}
	}
	for _, name := range s.seen {
		if _, err := js.Stream(ctx, name); err != nil {
			return fmt.Errorf("the stream %s is not reachable: %w", name, err)
		}
	}
	return nil
}

// MonitorAddr is the host:port of /healthz, /readyz and /metrics; "" without them.
func (s *Stack) MonitorAddr() string {
	if s.monitor == nil {
		return ""
	}
	return s.monitor.Addr()
}

// listenToProbes opens the monitor before anything else is there, so that a probe sees a process that waits for its broker
// as one that is alive and not ready.
func (s *Stack) listenToProbes(ctx context.Context) error {
	if s.cfg.Settings.Monitor.Addr == "" {
		return nil
	}
	var err error
	s.monitor, err = monitor.Listen(ctx, s.cfg.Settings.Monitor, s.log)
	return err
}
