package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/myriad-sim/myriad/examples"
	"github.com/myriad-sim/myriad/internal/report"
)

// startWait bounds the start of a whole cluster.
const startWait = time.Minute

// cluster is a broker and the five services, each in a process of its own, all on this machine and joined by TCP.
type cluster struct {
	processes []*Process // in the order they were started
	api       string     // base URL of the coordinator
	client    *http.Client
}

// What processes say when they are up.
var (
	// BrokerIsUp is what a stack says on stdout; the group is the broker's URL.
	BrokerIsUp = regexp.MustCompile(`NATS.*(nats://\S*\d)`)
	// ServiceIsUp is what a single service says on stderr.
	ServiceIsUp = regexp.MustCompile(`\w+ runs on `)
)

// tcp plays the round of oneRound in a cluster with one host.
func (l *lab) tcp(ctx context.Context, j job) (Figures, error) { return l.distributed(ctx, j) }

// In a scale-out the model is the bottleneck: each host has only so many calls in flight, a fifth of its share.
const (
	scaleAgents   = 10 * 1024 // a host: ten shards, so that hosts have equal shares, and about the 10,000 of the paper
	scaleInFlight = scaleAgents / 5
)

// scaleOut plays the round in a cluster with several hosts, each of which has few calls in flight.
func (l *lab) scaleOut(ctx context.Context, j job) (Figures, error) {
	return l.distributed(ctx, j, "MYRIAD_AGENTHOST_IN_FLIGHT="+strconv.Itoa(scaleInFlight))
}

// distributed plays one round in a cluster. What it took is of all processes together.
func (l *lab) distributed(ctx context.Context, j job, variables ...string) (Figures, error) {
	return l.within(func(dir string) (Figures, error) {
		c, err := l.startCluster(ctx, dir, j.hosts, variables...)
		var sum report.Summary
		if err == nil {
			sum, err = c.play(ctx, j.agents, url.Values{"model": {l.sleeper()}})
		}
		took, stopped := c.stop(ctx)
		if err := errors.Join(err, stopped); err != nil {
			return nil, err
		}
		return took, took.add(sum)
	})
}

// startCluster starts a broker on data in dir and so many agent hosts; variables are added to the environment of all.
// The caller calls stop, also after an error.
func (l *lab) startCluster(ctx context.Context, dir string, hosts int, variables ...string) (*cluster, error) {
	waiting, cancel := context.WithTimeoutCause(ctx, startWait, fmt.Errorf("%w: the cluster is not up after %v", ErrProcess, startWait))
	defer cancel()
	c := &cluster{client: &http.Client{Transport: &http.Transport{}}}
	broker, err := c.add(ctx, dir, nil, l.program, "up", "--services", "none", "--nats", "127.0.0.1:0", "--data", "data")
	if err != nil {
		return c, err
	}
	nats, err := broker.Says(waiting, &broker.Out, BrokerIsUp)
	if err != nil {
		return c, err
	}
	address, err := freeAddress(ctx)
	if err != nil {
		return c, err
	}
	c.api = "http://" + address
	env := append([]string{"MYRIAD_NATS_URL=" + nats, "MYRIAD_COORDINATOR_HTTP=" + address}, variables...)
	for _, name := range slices.Concat([]string{"bgen", "llmproxy", "environment"}, slices.Repeat([]string{"agenthost"}, hosts), []string{"coordinator"}) {
		p, err := c.add(ctx, dir, env, l.program, name)
		if err != nil {
			return c, err
		}
		if _, err := p.Says(waiting, &p.Err, ServiceIsUp); err != nil {
			return c, err
		}
	}
	return c, c.ready(waiting, hosts)
}

func (c *cluster) add(ctx context.Context, dir string, env []string, program string, args ...string) (*Process, error) {
	p, err := Start(ctx, dir, env, program, args...)
	if err == nil {
		c.processes = append(c.processes, p)
	}
	return p, err
}

// freeAddress is a loopback address that nobody listens on at this moment. If somebody else takes it before the
// coordinator does, the coordinator says so.
func freeAddress(ctx context.Context) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("bench: %w", err)
	}
	return l.Addr().String(), l.Close()
}

// ready waits until the coordinator knows all hosts, so that a run is placed on all of them.
func (c *cluster) ready(ctx context.Context, hosts int) error {
	look := time.NewTicker(20 * time.Millisecond)
	defer look.Stop()
	for {
		var is struct{ Hosts int }
		if err := c.request(ctx, http.MethodGet, "/readyz", nil, &is); err == nil && is.Hosts == hosts {
			return nil
		}
		select {
		case <-look.C:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// play plays the scenario to its end, over the HTTP API as any client would, and returns its times.
func (c *cluster) play(ctx context.Context, agents int, query url.Values) (report.Summary, error) {
	query.Set("agents", strconv.Itoa(agents))
	var run struct {
		ID      string         `json:"id"`
		Summary report.Summary `json:"summary"`
	}
	if err := c.request(ctx, http.MethodPost, "/v1/runs?"+query.Encode(), examples.Million, &run); err != nil {
		return report.Summary{}, err
	}
	// The stream of events ends with the run.
	if err := c.request(ctx, http.MethodGet, "/v1/runs/"+run.ID+"/events", nil, nil); err != nil {
		return report.Summary{}, err
	}
	err := c.request(ctx, http.MethodGet, "/v1/runs/"+run.ID, nil, &run)
	return run.Summary, err
}

// request sends a request and reads the answer into a value, or to its end if there is none.
func (c *cluster) request(ctx context.Context, method, path string, body []byte, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.api+path, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	resp, err := c.client.Do(req)
	if err != nil {
		return fmt.Errorf("bench: %w", err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end below, or given up
	if resp.StatusCode >= http.StatusBadRequest {
		text, err := io.ReadAll(io.LimitReader(resp.Body, tailBytes))
		return errors.Join(fmt.Errorf("%w: %s %s: %s: %s", ErrProcess, method, path, resp.Status, text), err)
	}
	if into == nil {
		_, err = io.Copy(io.Discard, resp.Body)
	} else {
		err = json.NewDecoder(resp.Body).Decode(into)
	}
	if err != nil {
		return fmt.Errorf("bench: %s %s: %w", method, path, err)
	}
	return nil
}

// stop ends all processes, those first that were started last, and adds up what they took.
func (c *cluster) stop(ctx context.Context) (Figures, error) {
	c.client.CloseIdleConnections()
	total := Figures{}
	var all error
	for _, p := range slices.Backward(c.processes) {
		took, err := p.Stop(ctx)
		all = errors.Join(all, err)
		total[CPU] += took[CPU]
		total[Peak] += took[Peak]
	}
	return total, all
}
