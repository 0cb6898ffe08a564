package actor

import (
	"cmp"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/myriad-sim/myriad/internal/checkpoint"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// run is what a host has of one run: its agents there, and the log of what changed them.
type run struct {
	rt      *Runtime
	name    string
	client  *agent.Client
	journal *journal

	mu      sync.Mutex
	agents  map[string]*actor
	hubs    map[string]*hub
	numbers map[int]*actor
	next    int // number of the next agent
}

// actor is an agent as its host sees it. What is not said to be safe otherwise belongs to whoever has the agent's turn.
type actor struct {
	mailbox
	run     *run
	name    string
	kind    string
	config  []byte // nil: none
	process bool   // it lives in a child process; then there is no code here
	number  int    // within the run, in the order of creation; the log says who heard something by number
	address subjects.Address

	self     *agent.Self
	code     agent.Agent
	broken   error        // why there is no code
	state    []byte       // exported last; nil where the code is not agent.Stateful
	unlogged atomic.Int32 // what it has done that is not in the log yet

	shownState  []byte // what others see of state and broken; mailbox.mu is held
	shownBroken error
}

// inRun returns the host's part of a run, which begins with the first agent or hub.
func (rt *Runtime) inRun(name string) *run {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	r := rt.runs[name]
	if r == nil {
		r = &run{rt: rt, name: name, client: rt.client.In(name), agents: map[string]*actor{}, numbers: map[int]*actor{}, hubs: map[string]*hub{}}
		r.journal = &journal{rt: rt, run: name, tail: &checkpoint.Tail{}, logged: r.logged, subject: subjects.LogCode(name, rt.cfg.Host)}
		rt.runs[name] = r
	}
	return r
}

// knownRun returns the host's part of a run, nil if it has none.
func (rt *Runtime) knownRun(name string) *run {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	return rt.runs[name]
}

// find returns an agent. The error is ErrNoAgent.
func (rt *Runtime) find(runName, name string) (*actor, error) {
	if r := rt.knownRun(runName); r != nil {
		if a := r.agent(name); a != nil {
			if a.process {
				return nil, fmt.Errorf("%w: %q has a process of its own, its address is %s", wire.ErrNoAgent, name, a.address)
			}
			return a, nil
		}
	}
	return nil, noAgent(rt.cfg.Host, runName, name)
}

func noAgent(host, run, name string) error {
	return fmt.Errorf("%w: %q on host %q in run %q", wire.ErrNoAgent, name, host, run)
}

func (r *run) size() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.agents)
}

func (r *run) agent(name string) *actor {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.agents[name]
}

// all returns the agents in the order of their names. A nil run has none.
func (r *run) all() []*actor {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	out := make([]*actor, 0, len(r.agents))
	for _, a := range r.agents {
		out = append(out, a)
	}
	slices.SortFunc(out, func(a, b *actor) int { return cmp.Compare(a.name, b.name) })
	return out
}

// newActor makes an agent without its code. r.mu is held.
func (r *run) newActor(name, kind string, config []byte, process bool, number int) *actor {
	a := &actor{run: r, name: name, kind: kind, config: config, process: process, number: number}
	host := r.rt.cfg.Host
	if process {
		host = childHost(host, name)
	}
	a.address = subjects.CodeAddress(host, name)
	r.next = max(r.next, number+1)
	r.agents[name], r.numbers[number] = a, a
	if !process {
		a.self = &agent.Self{
			Run: r.name, Host: host, Name: name, Kind: kind, Address: a.address, Memory: agent.NewMemory(),
			Client: r.client.As(a.address), Log: r.rt.log.With("run", r.name, "agent", name),
		}
	}
	return a
}

// forget takes an agent off the host, unless another has its name already.
func (r *run) forget(a *actor) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.agents[a.name] == a {
		delete(r.agents, a.name)
	}
	delete(r.numbers, a.number)
}

// enqueue puts an item into the agent's mailbox.
func (a *actor) enqueue(it item) error {
	start, err := a.put(it)
	if err != nil {
		return noAgent(a.run.rt.cfg.Host, a.run.name, a.name)
	}
	a.wake(start)
	return nil
}

// wake starts the worker of the mailbox. A host that stops has none: then each item, whose context is over, says so at once.
func (a *actor) wake(start bool) {
	if start && !a.run.rt.spawn(a.work) {
		a.work()
	}
}

// nothing is the answer of an agent that has nothing to say.
func (a *actor) nothing() msg.Msg { return msg.Msg{Name: a.name, Role: msg.RoleAssistant} }
