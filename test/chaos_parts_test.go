package test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
)

// chaos is a broker and all services as processes that can be killed and started again.
type chaos struct {
	*system
	url, http string // of the broker and of the coordinator
	parts     []*part
	bgen      *part
	began     time.Time
	story     strings.Builder // what happened when
	watch     *chaosWatch
}

// part is a process with its lives.
type part struct {
	name  string
	needs []string // parts without which it cannot do its work
	life  func(n int) *process

	proc    *process // nil while it is down
	lives   int
	started time.Time // of the last life
	due     time.Time // of the next one, while it is down
	works   chan time.Time
	worked  time.Time // when the last life first did its work; zero: not yet
	looking func()    // ends the look-out for that
	took    []time.Duration
	unseen  int // lives that were killed before they worked
}

func (p *part) up() bool { return p.proc != nil }

// kill ends a life without a word. The next begins after a while.
func (p *part) kill(down time.Duration) {
	_ = p.proc.cmd.Process.Kill() // that it had not ended by itself was seen a moment ago
	<-p.proc.done
	p.looking()
	p.proc, p.due = nil, time.Now().Add(down)
	if p.worked.IsZero() {
		p.unseen++
	}
}

// freeAddress is a loopback address that nobody listens on.
func freeAddress(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer func() { require.NoError(t, l.Close()) }()
	return l.Addr().String()
}

// startChaos starts a broker, the five services, and a second host.
func startChaos(t *testing.T) *chaos {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	address, data := freeAddress(t), t.TempDir()
	c := &chaos{began: time.Now(), url: "nats://" + address, http: freeAddress(t)}
	service := func(name string, env ...string) func(int) *process {
		return func(n int) *process {
			all := append([]string{"MYRIAD_NATS_URL=" + c.url}, env...)
			return call{env: append(all, fmt.Sprintf("MYRIAD_%s_ID=%s-%d", strings.ToUpper(name), name, n))}.exec(t, path, name)
		}
	}
	host := func(id string) func(int) *process {
		return func(int) *process {
			env := []string{"MYRIAD_NATS_URL=" + c.url, "MYRIAD_AGENTHOST_ID=" + id, "MYRIAD_AGENTHOST_IN_FLIGHT=700", "MYRIAD_AGENTHOST_BATCH=64"}
			return call{env: env}.exec(t, path, "agenthost")
		}
	}
	c.parts = []*part{
		{name: "broker", life: func(int) *process {
			return call{}.exec(t, path, "up", "--services", "none", "--nats", address, "--data", data)
		}},
		{name: "llmproxy", needs: []string{"broker"}, life: service("llmproxy")},
		{name: "environment", needs: []string{"broker"}, life: service("environment")},
		{name: "host-a", needs: []string{"broker", "coordinator", "llmproxy"}, life: host("host-a")},
		{name: "host-b", needs: []string{"broker", "coordinator", "llmproxy"}, life: host("host-b")},
		{name: "coordinator", needs: []string{"broker"}, life: service("coordinator", "MYRIAD_COORDINATOR_HTTP="+c.http)},
	}
	c.bgen = &part{name: "bgen", life: service("bgen")}
	for _, p := range append(slices.Clone(c.parts), c.bgen) {
		p.start()
	}
	nc, err := bus.Connect(t.Context(), bus.ConnectConfig{URL: c.url, Name: t.Name()}, chaosLog(t))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(t, err)
	c.system = &system{nc: nc, js: js}
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CHAOS", Subjects: []string{"chaos.probe"}, MaxMsgs: 1})
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := c.js.Stream(t.Context(), "MYRIAD_LOG")
		return err == nil
	}, patience, often)
	c.ready(t, 2)
	return c
}

// say adds to what is told of a run that failed.
func (c *chaos) say(format string, args ...any) {
	fmt.Fprintf(&c.story, "%7.3fs %s\n", time.Since(c.began).Seconds(), fmt.Sprintf(format, args...))
}

func (p *part) start() {
	p.lives++
	p.proc, p.started, p.worked, p.looking = p.life(p.lives), time.Now(), time.Time{}, func() {}
}

func (c *chaos) part(name string) *part {
	return c.parts[slices.IndexFunc(c.parts, func(p *part) bool { return p.name == name })]
}

// pick chooses a process, sometimes two.
func (c *chaos) pick(plan *rand.Rand) []*part {
	order, n := plan.Perm(len(c.parts)), 1
	if plan.IntN(5) == 0 {
		n = 2
	}
	var out []*part
	for _, at := range order[:n] {
		out = append(out, c.parts[at])
	}
	return out
}

func (c *chaos) anyUp(parts []*part) bool { return slices.ContainsFunc(parts, (*part).up) }

// restartDue starts what has been down for long enough, and notes what has begun to work.
func (c *chaos) restartDue(t testing.TB) {
	t.Helper()
	for _, p := range c.parts {
		switch {
		case !p.up() && !time.Now().Before(p.due):
			p.start()
			c.lookOut(t, p)
			c.say("%s starts", p.name)
		case p.up() && p.worked.IsZero() && p.lives > 1:
			select {
			case p.worked = <-p.works:
				took := p.worked.Sub(c.since(p))
				p.took = append(p.took, took)
				c.say("%s works, after %v", p.name, took.Round(time.Millisecond))
			default:
			}
		}
		if p.up() {
			select {
			case <-p.proc.done:
				require.FailNow(t, p.name+" ended by itself", "stderr:\n%s", p.proc.err.String())
			default:
			}
		}
	}
}

// since is when a part that works could begin to: at its own start, or when the last of what it needs was started. Before that
// it is not its fault. Nothing that it needs was killed since, or it would not work.
func (c *chaos) since(p *part) time.Time {
	at := p.started
	for _, name := range p.needs {
		if s := c.part(name).started; s.After(at) && s.Before(p.worked) {
			at = s
		}
	}
	return at
}

// allWork reports whether every part is up and works.
func (c *chaos) allWork() bool {
	return !slices.ContainsFunc(c.parts, func(p *part) bool { return !p.up() || p.lives > 1 && p.worked.IsZero() })
}

// repair waits until all that was killed works again.
func (c *chaos) repair(t testing.TB) {
	t.Helper()
	require.Eventually(t, func() bool {
		c.restartDue(t)
		return c.allWork()
	}, chaosPatience, often, "something does not work again")
}

// recoveries is a table of how long it took until parts worked, and those that took too long.
func (c *chaos) recoveries() (table string, late []string) {
	var b strings.Builder
	fmt.Fprintf(&b, "%-12s %6s %8s %10s %10s\n", "", "kills", "measured", "median", "longest")
	for _, p := range c.parts {
		slices.Sort(p.took)
		var median, longest time.Duration
		if n := len(p.took); n > 0 {
			median, longest = p.took[n/2], p.took[n-1]
		}
		fmt.Fprintf(&b, "%-12s %6d %8d %10v %10v\n", p.name, p.lives-1, len(p.took), median.Round(time.Millisecond), longest.Round(time.Millisecond))
		if longest > recoverWithin {
			late = append(late, fmt.Sprintf("%s: %v", p.name, longest))
		}
	}
	return b.String(), late
}
