package agent_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/actor"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	waitFor   = 15 * time.Second
	pollEvery = 5 * time.Millisecond
)

// stage is a broker with a client of the run r1.
type stage struct {
	*testing.T
	srv    *natstest.Server
	client *agent.Client
}

func newStage(t *testing.T) *stage {
	s := &stage{T: t, srv: natstest.Start(t)}
	s.client = s.newClient()
	return s
}

func (s *stage) newClient() *agent.Client {
	c, err := agent.NewClient(s.srv.InProcess(s.T), "r1", natstest.Logger(s.T))
	require.NoError(s, err)
	s.Cleanup(c.Close)
	return c
}

var lives atomic.Int64

// host starts a host, and returns how to stop it before the test ends.
func (s *stage) host(id string, kinds *agent.Registry) (stop func()) {
	rt, err := actor.New(s.srv.InProcess(s.T), natstest.Logger(s.T), actor.Config{Host: id, Incarnation: fmt.Sprintf("%s-%d", id, lives.Add(1)), Kinds: kinds})
	require.NoError(s, err)
	require.NoError(s, rt.Start(s.Context()))
	stop = sync.OnceFunc(func() {
		ctx, cancel := context.WithTimeout(context.Background(), waitFor)
		defer cancel()
		require.NoError(s, rt.Stop(ctx))
	})
	s.Cleanup(stop)
	return stop
}

// create makes an agent with a configuration in JSON.
func (s *stage) create(host, name, kind, config string) subjects.Address {
	spec := agent.Spec{Name: name, Kind: kind}
	if config != "" {
		spec.Config = json.RawMessage(config)
	}
	address, err := s.client.Create(s.Context(), host, spec)
	require.NoError(s, err)
	return address
}

// outsider is an agent in another language: it answers requests as the test wants, and keeps them.
type outsider struct {
	address subjects.Address
	mu      sync.Mutex
	got     []received
}

type received struct {
	verb string
	wire.Request
}

func (s *stage) outsider(name string, answer func(verb string, r wire.Request) (msg.Msg, error)) *outsider {
	o := &outsider{address: subjects.CodeAddress("outside-"+name, name)}
	nc := s.srv.InProcess(s.T)
	_, err := nc.Subscribe(subjects.At("r1", o.address, "*"), func(m *nats.Msg) {
		verb := m.Subject[strings.LastIndexByte(m.Subject, '.')+1:]
		r, err := wire.Read(m)
		var out msg.Msg
		if err == nil {
			o.mu.Lock()
			o.got = append(o.got, received{verb, r})
			o.mu.Unlock()
			out, err = answer(verb, r)
		}
		if err := wire.Answer(nc, m, r.Encoding, name, out, err); err != nil && !nc.IsClosed() {
			s.Error(err)
		}
	})
	require.NoError(s, err)
	require.NoError(s, nc.Flush())
	return o
}

func (o *outsider) requests() []received {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append([]received{}, o.got...)
}

func say(name, text string) msg.Msg { return msg.New(name, msg.RoleUser, msg.Text(text)) }

// texts are what messages say, with who says it.
func texts(list []msg.Msg) []string {
	out := []string{}
	for _, m := range list {
		out = append(out, m.Name+": "+m.Content.String())
	}
	return out
}

// remembered is what the state of an agent says about its memory.
func (s *stage) remembered(a subjects.Address) []string {
	out, err := s.client.State(s.Context(), a)
	require.NoError(s, err)
	var state struct{ Memory []msg.Msg }
	require.NoError(s, out.Content.Decode(&state))
	return texts(state.Memory)
}

func decodeModel(data []byte, into *scenario.Model) error { return msgpack.Unmarshal(data, into) }
