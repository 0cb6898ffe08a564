package actor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/nats-io/nuid"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/pkg/agent"
)

// limits are what a host tells a child: for whom it works, and the bounds of the host, which its children share.
type limits struct {
	Parent          string        `json:"parent"`
	Agent           string        `json:"agent"`
	MaxWaiting      int           `json:"max_waiting"`
	MaxWaitingBytes int64         `json:"max_waiting_bytes"`
	Keep            time.Duration `json:"keep"`
	KeepBytes       int64         `json:"keep_bytes"`
	CallTimeout     time.Duration `json:"call_timeout"`
}

func limitsOf(c Config, name string) limits {
	return limits{c.Host, name, c.MaxWaiting, c.MaxWaitingBytes, c.Keep, c.KeepBytes, c.CallTimeout}
}

// IsChild reports whether this process was started by a host for an agent that has a process of its own. A program that
// serves agents asks before it does anything else, and if so calls ChildMain instead.
func IsChild() bool { return os.Getenv(EnvProcess) != "" }

// ChildMain serves the agents that this process was started for, until ctx ends or the host that started it is gone. Kinds
// are those of that host, which runs the same program.
func ChildMain(ctx context.Context, kinds *agent.Registry, log *slog.Logger) (err error) {
	cfg := Config{Host: os.Getenv(EnvProcess), Incarnation: nuid.Next(), Kinds: kinds}
	var l limits
	if err := json.Unmarshal([]byte(os.Getenv(EnvLimits)), &l); err != nil {
		return fmt.Errorf("actor: %s: %w", EnvLimits, err)
	}
	cfg.MaxWaiting, cfg.MaxWaitingBytes, cfg.Keep, cfg.KeepBytes, cfg.CallTimeout = l.MaxWaiting, l.MaxWaitingBytes, l.Keep, l.KeepBytes, l.CallTimeout
	cfg.parent, cfg.agent = l.Parent, l.Agent
	connect, err := bus.LoadConnectConfig()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() { // until the process ends: nothing stops a read from standard input
		_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that counts
		cancel()
	}()
	connect.Name = cfg.Host
	nc, err := bus.Connect(ctx, connect, log)
	if err != nil {
		return err
	}
	defer nc.Close()
	rt, err := New(nc, log, cfg)
	if err != nil {
		return err
	}
	if err := rt.Start(ctx); err != nil {
		return err
	}
	select {
	case err = <-rt.Failed():
	case <-ctx.Done():
	}
	last, end := context.WithTimeout(context.WithoutCancel(ctx), childStop/2)
	defer end()
	return errors.Join(err, rt.Stop(last))
}
