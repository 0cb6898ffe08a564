package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/myriad-sim/myriad/internal/monitor"
)

type healthCmd struct {
	URL     string        `name:"url" help:"What to ask; by default the monitor of MYRIAD_MONITOR, whether it is ready." placeholder:"URL"`
	Timeout time.Duration `help:"How long to wait for an answer." default:"3s" placeholder:"TIME"`
}

// Help is shown by --help.
func (healthCmd) Help() string {
	return `Exits 0 if a process says that it can work, else 1. It is the health check of the container image, which has no shell.
Every process with services answers when MYRIAD_MONITOR is set: /healthz (alive), /readyz (can work), /metrics (Prometheus).

Examples:
  MYRIAD_MONITOR=127.0.0.1:9464 myriad up
  MYRIAD_MONITOR=127.0.0.1:9464 myriad health
  myriad health --url http://127.0.0.1:9464/healthz`
}

// Run asks once.
func (c *healthCmd) Run(ctx context.Context, a *app) error {
	url := c.URL
	if url == "" {
		addr := os.Getenv("MYRIAD_MONITOR")
		if addr == "" {
			return errors.New("health: nobody to ask; set MYRIAD_MONITOR as for the process, or name a URL with --url")
		}
		url = monitor.URL(addr, monitor.PathReady)
	}
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	said, err := monitor.Ask(ctx, url)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, said)
	return nil
}
