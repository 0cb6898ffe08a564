package natstest

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
)

// clusterSize is how many servers a Cluster has: the least of which one can be lost.
const clusterSize = 3

// gatherWait bounds the wait for a cluster, or for one of its servers, to be whole. The machine may be busy.
const gatherWait = 60 * time.Second

// Cluster is three NATS servers in this process that form one cluster, each with a disk of its own and synced like every
// server of Myriad. It belongs to a test and stops with it. Methods that take a testing.TB must be called from the test's
// own goroutine.
type Cluster struct {
	nodes [clusterSize]*node
}

// node is a server of a cluster. Its addresses stay the same over restarts.
type node struct {
	options server.Options

	mu      sync.Mutex
	current *server.Server // nil while killed
}

// StartCluster starts a cluster on free loopback ports, with its data in t.TempDir(), and provisions it: every stream has
// three replicas.
func StartCluster(t testing.TB) *Cluster {
	t.Helper()
	c := &Cluster{}
	var routes []string
	routePorts := freePorts(t, 2*clusterSize)
	for i := range c.nodes {
		routes = append(routes, fmt.Sprintf("nats://127.0.0.1:%d", routePorts[i]))
	}
	dir := t.TempDir()
	for i := range c.nodes {
		name := fmt.Sprintf("node-%d", i)
		c.nodes[i] = &node{options: server.Options{
			ServerName: name, Host: "127.0.0.1", Port: routePorts[clusterSize+i], NoSigs: true, NoLog: true,
			JetStream: true, StoreDir: filepath.Join(dir, name), SyncAlways: true, MaxPayload: bus.MaxPayload,
			JetStreamMaxStore: 8 << 30, JetStreamMaxMemory: 1 << 30,
			Cluster: server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: routePorts[i]},
			Routes:  server.RoutesFromStr(strings.Join(routes, ",")),
		}}
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			n.stop()
		}
	})
	for i := range c.nodes {
		c.nodes[i].start(t)
	}
	require.NoError(t, bus.Provision(t.Context(), c.JetStream(t), bus.Options{MaxBytes: 256 << 20}))
	return c
}

// URL is the addresses of all servers, separated by commas.
func (c *Cluster) URL() string {
	urls := make([]string, 0, clusterSize)
	for _, n := range c.nodes {
		urls = append(urls, n.url())
	}
	return strings.Join(urls, ",")
}

// Connect opens a connection to any of the servers. It reconnects for ever and is closed at the end of the test.
func (c *Cluster) Connect(t testing.TB) *nats.Conn {
	t.Helper()
	nc, err := bus.Connect(t.Context(), bus.ConnectConfig{URL: c.URL(), Name: t.Name()}, Logger(t))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// JetStream opens a connection and returns its JetStream.
func (c *Cluster) JetStream(t testing.TB) jetstream.JetStream {
	t.Helper()
	js, err := jetstream.New(c.Connect(t))
	require.NoError(t, err)
	return js
}

// Leader is the server, counted from 0, that leads a stream. It waits until there is one.
func (c *Cluster) Leader(t testing.TB, stream string) int {
	t.Helper()
	at := -1
	require.Eventually(t, func() bool {
		for i, n := range c.nodes {
			if s := n.running(); s != nil && s.JetStreamIsStreamLeader(server.DEFAULT_GLOBAL_ACCOUNT, stream) {
				at = i
				return true
			}
		}
		return false
	}, gatherWait, 10*time.Millisecond, "nobody leads %s", stream)
	return at
}

// Kill takes a server away without a word, until Restart.
func (c *Cluster) Kill(t testing.TB, i int) {
	t.Helper()
	require.True(t, c.nodes[i].stop(), "server %d is already killed", i)
}

// Restart brings a server back on its data and addresses, stopping it first if it runs.
func (c *Cluster) Restart(t testing.TB, i int) {
	t.Helper()
	c.nodes[i].stop()
	c.nodes[i].start(t)
}

// Whole waits until every replica of every stream is there and up to date, so that any one server may be lost again.
func (c *Cluster) Whole(t testing.TB) {
	t.Helper()
	js := c.JetStream(t)
	require.Eventually(t, func() bool {
		ctx, cancel := context.WithTimeout(t.Context(), gatherWait/10) // an answer may be lost
		defer cancel()
		list, all := js.ListStreams(ctx), true
		for info := range list.Info() {
			all = all && whole(info)
		}
		return list.Err() == nil && all
	}, gatherWait, 50*time.Millisecond, "some stream is not whole")
}

func whole(info *jetstream.StreamInfo) bool {
	if info.Cluster == nil || info.Cluster.Leader == "" || len(info.Cluster.Replicas) != info.Config.Replicas-1 {
		return false
	}
	for _, r := range info.Cluster.Replicas {
		if r.Offline || !r.Current {
			return false
		}
	}
	return true
}

func (n *node) url() string { return fmt.Sprintf("nats://%s:%d", n.options.Host, n.options.Port) }

func (n *node) running() *server.Server {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.current
}

func (n *node) start(t testing.TB) {
	t.Helper()
	options := n.options // the server changes what it is given
	s, err := server.NewServer(&options)
	require.NoError(t, err)
	n.mu.Lock()
	n.current = s
	n.mu.Unlock()
	s.Start()
	require.True(t, s.ReadyForConnections(gatherWait), "%s does not come up", n.options.ServerName)
}

// stop reports whether there was anything to stop.
func (n *node) stop() bool {
	n.mu.Lock()
	s := n.current
	n.current = nil
	n.mu.Unlock()
	if s == nil {
		return false
	}
	s.Shutdown()
	s.WaitForShutdown()
	return true
}

// freePorts finds ports that nobody listens on. Servers of a cluster must know each other's before they start.
func freePorts(t testing.TB, n int) []int {
	t.Helper()
	ports := make([]int, n)
	var held []net.Listener
	for i := range ports {
		l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
		require.NoError(t, err)
		ports[i] = l.Addr().(*net.TCPAddr).Port
		held = append(held, l)
	}
	for _, l := range held { // only now, or the next could get the same port
		require.NoError(t, l.Close())
	}
	return ports
}
