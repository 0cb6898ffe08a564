// Package workers has the agents of the workflow example: each works for a while on what it is given, and says what it did.
package workers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/host"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// Kind is the name of the kind.
const Kind = "worker"

// Kinds is what a program needs to serve workers.
func Kinds() host.Kinds {
	return host.Kinds{Agents: agent.NewRegistry().Add(Kind, newWorker)}
}

// Config is the configuration of a worker.
type Config struct {
	Seconds float64 `json:"seconds"` // that an answer takes
}

type worker struct {
	self  *agent.Self
	takes time.Duration
}

func newWorker(_ context.Context, self *agent.Self, config []byte) (agent.Agent, error) {
	var c Config
	d := json.NewDecoder(bytes.NewReader(config))
	d.DisallowUnknownFields()
	if err := d.Decode(&c); err != nil {
		return nil, fmt.Errorf("worker: %w", err)
	}
	return &worker{self, time.Duration(c.Seconds * float64(time.Second))}, nil
}

// Reply works.
func (w *worker) Reply(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	t := time.NewTimer(w.takes)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return msg.Msg{}, ctx.Err()
	case <-t.C:
	}
	var done strings.Builder
	done.WriteString(w.self.Name)
	for _, m := range in {
		fmt.Fprintf(&done, "(%s)", m.Content)
	}
	return msg.New(w.self.Name, msg.RoleAssistant, msg.Text(done.String())), nil
}

// Observe takes no notice.
func (w *worker) Observe(context.Context, ...msg.Msg) error { return nil }
