package keys

import (
	"slices"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Role says what a user is for, and with that what it may do.
type Role string

// The roles. There is one user of each but Agent.
const (
	Coordinator Role = subjects.ServiceCoordinator
	AgentHost   Role = subjects.ServiceAgentHost
	Environment Role = subjects.ServiceEnvironment
	Bgen        Role = subjects.ServiceBgen
	LLMProxy    Role = subjects.ServiceLLMProxy
	// CLI is for people: the commands of myriad and the nats command line. It reads all and asks all, and writes no record.
	CLI Role = "cli"
	// Program is for Go programs that bring environments and agents of their own: what AgentHost and Environment may do.
	Program Role = "program"
	// Process is for agents that have a process of their own, which their host starts: what AgentHost does for agents of programs.
	Process Role = "process"
	// Agent is for a program in any language that serves agents of one run.
	Agent Role = "agent"
)

// Roles are those that Init makes a user for, in the order of their places in files.
var Roles = []Role{Coordinator, AgentHost, Environment, Bgen, LLMProxy, CLI, Program, Process}

// Permissions are the patterns of subjects that a user may publish and subscribe to. Whatever is not named is refused.
type Permissions struct {
	Publish   []string
	Subscribe []string
}

// with adds patterns of another.
func (p Permissions) with(others ...Permissions) Permissions {
	for _, o := range others {
		p.Publish = append(p.Publish, o.Publish...)
		p.Subscribe = append(p.Subscribe, o.Subscribe...)
	}
	return p
}

// sorted is p with each pattern once.
func (p Permissions) sorted() Permissions {
	once := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	return Permissions{once(p.Publish), once(p.Subscribe)}
}

func publish(patterns ...string) Permissions   { return Permissions{Publish: patterns} }
func subscribe(patterns ...string) Permissions { return Permissions{Subscribe: patterns} }

// Allowed is what a user may do.
//
// Answers go to inboxes, and nowhere else. NATS can also allow a user to answer whatever subject a request names
// (allow_responses), but then two users, or one that sends a request to itself, may publish anywhere: a record into the log, or
// the order to delete it. All inboxes are therefore below one token, which everybody may publish to, and everybody reads those
// below its own name only. Names of inboxes are random and known to whoever was asked.
func (u User) Allowed() Permissions {
	p := publish(bus.InboxRoot + ".>").with(subscribe(bus.InboxPrefix(u.Public) + ".>"))
	switch u.Role {
	case Coordinator:
		p = p.with(coordinator())
	case AgentHost:
		p = p.with(agentHost())
	case Environment:
		p = p.with(environment())
	case Bgen:
		p = p.with(bgen())
	case LLMProxy:
		p = p.with(llmproxy())
	case CLI:
		p = p.with(people())
	case Program:
		p = p.with(agentHost(), environment())
	case Process:
		p = p.with(codeHost())
	case Agent:
		p = p.with(outside(u.Run, u.Host))
	}
	return p.sorted()
}

// coordinator decides: it alone makes streams and writes control records, but for the worlds that the environment computes.
func coordinator() Permissions {
	return service(Coordinator).with(
		publish(subjects.AnyRun("log.ctl.*")),
		provision(),
		publish(writes(subjects.BucketRuns)),
		look(logStream, bucket(subjects.BucketRuns), bucket(subjects.BucketHosts), bucket(subjects.BucketUsage),
			bucket(subjects.BucketEnv), store(subjects.StorePersonas)),
		publish(subjects.ServiceAll(subjects.ServiceBgen), subjects.ServiceAll(subjects.ServiceAgentHost),
			subjects.ServiceAll(subjects.ServiceCoordinator)),
		subscribe(writes(subjects.BucketHosts)), // signs of life, as they are written
	)
}

// agentHost writes what agents were asked and answered, and serves agents.
func agentHost() Permissions {
	return service(AgentHost).with(codeHost(),
		publish(subjects.AnyRun("log.asked.*"), subjects.AnyRun("log.answer.*"), subjects.AnyRun("log.message.*")),
		publish(writes(subjects.BucketHosts)),
		look(bucket(subjects.BucketHosts), store(subjects.StorePersonas)),
		publish(subjects.ForwardAll()), reports("trouble", "fault"), leaves(),
		subscribe(subjects.AnyRun("agent.*.*.*")),
	)
}

// codeHost serves agents of programs, in all runs, and keeps what they did. They may think with models.
func codeHost() Permissions {
	return conversation(subjects.AnyRun).with(
		publish(subjects.AnyRun("log.code.*")), look(logStream, hubStream), files(),
		publish(subjects.ChatAll(), subjects.AnyRun("host.*.*"), subjects.AliveAll()),
		subscribe(subjects.AnyRun("code.*.*.*"), subjects.AnyRun("host.*.*"), subjects.AnyRun("task.*.*")),
	)
}

// environment writes worlds, and what changed environments and hubs.
func environment() Permissions {
	return service(Environment).with(
		publish(subjects.AnyRun("log.ctl."+subjects.KindEnvState), subjects.AnyRun("log.env.*"), subjects.AnyRun("hub.*.said")),
		publish(writes(subjects.BucketEnv)),
		look(logStream, hubStream, bucket(subjects.BucketEnv)), files(),
		publish(subjects.ServiceAll(subjects.ServiceEnvironment)), reports("trouble"),
		publish(subjects.AnyRun("host.*.*")), conversation(subjects.AnyRun),
		subscribe(subjects.AnyRunEnvCall(), subjects.AnyRunHubCall()),
	)
}

// bgen draws populations. It does not see runs.
func bgen() Permissions {
	return service(Bgen).with(fill(subjects.StorePersonas))
}

// llmproxy answers model calls. It reads the log for runs that are played again, and agents of programs are models too.
func llmproxy() Permissions {
	return service(LLMProxy).with(
		publish(writes(subjects.BucketUsage)),
		look(logStream, bucket(subjects.BucketUsage)),
		reports("models"),
		publish(subjects.AnyRun("agent.*.*.*"), subjects.AnyRun("code.*.*.*"), subjects.AnyRun("task.*.*")), subscribe(subjects.AliveAll()),
		subscribe(subjects.ChatAll(), subjects.ForwardAll()),
	)
}

// people look at everything and ask everybody.
func people() Permissions {
	return conversation(subjects.AnyRun).with(
		look(logStream, hubStream, bucket(subjects.BucketRuns), bucket(subjects.BucketHosts), bucket(subjects.BucketUsage),
			bucket(subjects.BucketEnv), store(subjects.StorePersonas), store(subjects.StoreFiles)),
		publish("$JS.API.INFO", "$JS.API.STREAM.NAMES", "$JS.API.STREAM.LIST", "$SRV.>"),
		publish(subjects.AnyRun("host.*.*"), subjects.ServiceAll(subjects.ServiceCoordinator), subjects.ServiceAll(subjects.ServiceAgentHost),
			subjects.ServiceAll(subjects.ServiceBgen), subjects.AliveAll()),
		subscribe(subjects.Everything),
	)
}

// outside serves agents of one run under one name of a host. It has no JetStream: a consumer reads all runs. Its producer of
// promises has the name of the host.
func outside(run, host string) Permissions {
	of := func(tokens string) string { return subjects.OfRun(run, tokens) }
	own := subjects.Encode(host)
	return conversation(of).with(
		subscribe(of("code."+own+".*.*"), of("host."+own+".*"), of("task."+own+".*")),
		publish(subjects.Alive(host)),
	)
}

// conversation is to ask agents, environments and hubs, and for what was promised.
func conversation(of func(tokens string) string) Permissions {
	return publish(of("agent.*.*.*"), of("code.*.*.*"), of("env.*.call.*"), of("hub.*.call.*"), of("task.*.*")).
		with(subscribe(subjects.AliveAll()))
}

// files is to keep what is too large for a record: pictures of agents and environments.
func files() Permissions { return fill(subjects.StoreFiles) }

// reports is to tell a coordinator what went wrong. It is not to submit, pause or cancel runs.
func reports(endpoints ...string) Permissions {
	var p Permissions
	for _, endpoint := range endpoints {
		p = p.with(publish(subjects.Service(subjects.ServiceCoordinator, endpoint)))
	}
	return p
}

// leaves is to have a host drained before it ends.
func leaves() Permissions {
	return publish(subjects.Service(subjects.ServiceCoordinator, "hosts"), subjects.Service(subjects.ServiceCoordinator, "drain"))
}

// service is to serve endpoints under the name of a service and to be found by it.
func service(name Role) Permissions {
	p := subscribe(subjects.ServiceAll(string(name)))
	for _, verb := range []string{"PING", "INFO", "STATS"} {
		p = p.with(subscribe("$SRV."+verb, "$SRV."+verb+"."+string(name), "$SRV."+verb+"."+string(name)+".*"))
	}
	return p
}
