package stack

import (
	"context"
	"log/slog"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/bus"
)

// provisioner creates streams and buckets anew after a reconnect: the register of hosts lives in the broker's memory, so
// a broker that was restarted has lost it.
type provisioner struct {
	nc     *nats.Conn
	js     jetstream.JetStream
	want   bus.Options
	log    *slog.Logger
	cancel context.CancelFunc
	done   sync.WaitGroup
}

func newProvisioner(nc *nats.Conn, js jetstream.JetStream, want bus.Options, log *slog.Logger) *provisioner {
	return &provisioner{nc: nc, js: js, want: want, log: log}
}

// Start begins to watch the connection.
func (p *provisioner) Start(ctx context.Context) error {
	ctx, p.cancel = context.WithCancel(context.WithoutCancel(ctx))
	connected := p.nc.StatusChanged(nats.CONNECTED)
	p.done.Go(func() {
		defer p.nc.RemoveStatusListener(connected)
		for {
			select {
			case <-ctx.Done():
				return
			case _, open := <-connected:
				if !open {
					return
				}
			}
			if err := bus.Provision(ctx, p.js, p.want); err != nil && ctx.Err() == nil {
				p.log.Error("streams and buckets not checked after a reconnect", "error", err)
			}
		}
	})
	return nil
}

// Stop ends the watching.
func (p *provisioner) Stop(context.Context) error {
	p.cancel()
	p.done.Wait()
	return nil
}
