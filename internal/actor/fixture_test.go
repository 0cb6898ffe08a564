package actor

import (
	"context"
	"encoding/json"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	waitFor   = 15 * time.Second
	pollEvery = 5 * time.Millisecond
)

// stage is a broker with hosts on it.
type stage struct {
	testing.TB
	srv     *natstest.Server
	putAway int // records that are enough for a checkpoint; 0: as usual
}

func newStage(t testing.TB) *stage { return &stage{TB: t, srv: natstest.Start(t)} }

// life is one life of a host, on a connection of its own.
type life struct {
	*Runtime
	nc *nats.Conn
}

var lives atomic.Int64

// host starts a host.
func (s *stage) host(id string, kinds *agent.Registry, change ...func(*Config)) *life {
	s.Helper()
	h := s.made(id, kinds, change...)
	require.NoError(s, h.Start(s.Context()))
	return h
}

// made makes a host that the test starts.
func (s *stage) made(id string, kinds *agent.Registry, change ...func(*Config)) *life {
	s.Helper()
	nc := s.srv.InProcess(s.TB)
	cfg := Config{Host: id, Incarnation: fmt.Sprintf("%s-%d", id, lives.Add(1)), Kinds: kinds}
	for _, c := range change {
		c(&cfg)
	}
	rt, err := New(nc, natstest.Logger(s.TB), cfg)
	require.NoError(s, err)
	if s.putAway > 0 {
		rt.tailRecords = s.putAway
	}
	h := &life{rt, nc}
	s.Cleanup(func() { h.end(s.TB) })
	return h
}

// waiting is the number of requests that are not answered.
func (h *life) waiting() int {
	h.load.mu.Lock()
	defer h.load.mu.Unlock()
	return h.load.n
}

// end stops the host; a second time it does nothing.
func (h *life) end(t testing.TB) {
	ctx, cancel := context.WithTimeout(context.Background(), waitFor)
	defer cancel()
	require.NoError(t, h.Stop(ctx))
}

// crash takes the host's connection away before it can do anything more, and then what is left of it.
func (h *life) crash(t testing.TB) {
	h.nc.Close()
	h.end(t)
}

// client returns a client of run r1 on a connection of its own.
func (s *stage) client() *agent.Client {
	s.Helper()
	c, err := agent.NewClient(s.srv.InProcess(s.TB), "r1", natstest.Logger(s.TB))
	require.NoError(s, err)
	s.Cleanup(c.Close)
	return c
}

// create makes an agent in run r1.
func (s *stage) create(c *agent.Client, host, name, kind string) subjects.Address {
	s.Helper()
	address, err := c.Create(s.Context(), host, agent.Spec{Name: name, Kind: kind})
	require.NoError(s, err)
	return address
}

// records is the number of records of a host in run r1.
func (s *stage) records(host string) (n int) {
	s.Helper()
	err := runlog.Read(s.Context(), s.srv.JetStream(s.TB), 0, []string{subjects.LogCode("r1", host)}, func(runlog.Entry) error {
		n++
		return nil
	})
	require.NoError(s, err)
	return n
}

func say(text string) msg.Msg { return msg.New("tester", msg.RoleUser, msg.Text(text)) }

// script is an agent whose code is in the test.
type script struct {
	self    *agent.Self
	reply   func(ctx context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error)
	observe func(ctx context.Context, self *agent.Self, in ...msg.Msg) error
}

func (s *script) Reply(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	return s.reply(ctx, s.self, in...)
}

func (s *script) Observe(ctx context.Context, in ...msg.Msg) error {
	if s.observe == nil {
		s.self.Memory.Append(in...)
		return nil
	}
	return s.observe(ctx, s.self, in...)
}

// replies is a kind of agents that reply with a function.
func replies(fn func(ctx context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error)) agent.Kind {
	return func(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
		return &script{self: self, reply: fn}, nil
	}
}

// echo answers with what it was told, and remembers both.
func echo(_ context.Context, self *agent.Self, in ...msg.Msg) (msg.Msg, error) {
	self.Memory.Append(in...)
	text := ""
	for _, m := range in {
		text += m.Content.String()
	}
	out := msg.New(self.Name, msg.RoleAssistant, msg.Text(text))
	self.Memory.Append(out)
	return out, nil
}

// counter counts the messages it replied to, in a state of its own. It fails or panics where a message says so, after it has
// counted.
type counter struct {
	self *agent.Self
	n    int
}

func newCounter(_ context.Context, self *agent.Self, config []byte) (agent.Agent, error) {
	c := &counter{self: self}
	if config != nil {
		if err := json.Unmarshal(config, &c.n); err != nil {
			return nil, fmt.Errorf("where to begin: %w", err)
		}
	}
	return c, nil
}

func (c *counter) Reply(_ context.Context, in ...msg.Msg) (msg.Msg, error) {
	c.n++
	c.self.Memory.Append(in...)
	if len(in) > 0 {
		switch in[0].Content.String() {
		case "fail":
			return msg.Msg{}, fmt.Errorf("it was asked to fail")
		case "panic":
			panic("it was asked to")
		case "unfit":
			return msg.Msg{Content: msg.Text("\xff")}, nil
		}
	}
	content, err := msg.Data(c.n)
	return msg.New(c.self.Name, msg.RoleAssistant, content), err
}

func (c *counter) Observe(_ context.Context, in ...msg.Msg) error {
	c.self.Memory.Append(in...)
	return nil
}

func (c *counter) ExportState() ([]byte, error) { return json.Marshal(map[string]int{"n": c.n}) }

func (c *counter) ImportState(state []byte) error {
	var s struct{ N int }
	err := json.Unmarshal(state, &s)
	c.n = s.N
	return err
}
