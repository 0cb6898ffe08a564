package subjects

import (
	"strconv"
	"strings"
)

// Verbs of an agent's request subjects.
const (
	// VerbReply gives the agent a message and asks for its answer.
	VerbReply = "reply"
	// VerbObserve tells the agent something without asking.
	VerbObserve = "observe"
	// VerbState reads the agent's state; it leaves no trace.
	VerbState = "state"
	// VerbInterview asks the agent outside the run; it leaves no trace.
	VerbInterview = "interview"
	// VerbCall is VerbReply answered at once with a placeholder.
	VerbCall = "call"
)

// Verbs of a host's request subjects: what is done with the code agents of a run on one host.
const (
	// VerbCreate makes an agent of a registered kind.
	VerbCreate = "create"
	// VerbDelete removes an agent.
	VerbDelete = "delete"
	// VerbClone makes an agent with the state and memory of another.
	VerbClone = "clone"
	// VerbList lists the agents.
	VerbList = "list"
	// VerbHear makes the host deliver what is said in a hub to those of its agents who take part in it.
	VerbHear = "hear"
	// VerbPing asks for how long the host has been running.
	VerbPing = "ping"
)

const runPrefix = "myriad.run."

// Agent is the request subject of one agent of a shard. Verb is one of the Verb constants.
func Agent(run string, shard, agent int, verb string) string {
	return ofRun(run) + "agent." + strconv.Itoa(shard) + "." + strconv.Itoa(agent) + "." + verb
}

// AgentShard matches the requests to all agents of a shard: the one subscription its owner has.
func AgentShard(run string, shard int) string {
	return ofRun(run) + "agent." + strconv.Itoa(shard) + ".*.*"
}

// ParseAgent reads a subject that Agent built.
func ParseAgent(subject string) (run string, shard, agent int, verb string, err error) {
	const want = "the subject of an agent"
	run, rest, err := cutRun(subject, want)
	if err != nil {
		return "", 0, 0, "", err
	}
	t := strings.Split(rest, ".")
	if len(t) != 4 || t[0] != "agent" {
		return "", 0, 0, "", malformed(subject, want)
	}
	switch t[3] {
	case VerbReply, VerbObserve, VerbState, VerbInterview, VerbCall:
	default:
		return "", 0, 0, "", malformed(subject, want)
	}
	if shard, err = number(t[1]); err != nil {
		return "", 0, 0, "", err
	}
	if agent, err = number(t[2]); err != nil {
		return "", 0, 0, "", err
	}
	return run, shard, agent, t[3], nil
}

// Task is the request subject of a placeholder's value. Incarnation names one life of the host that produces it.
func Task(run, incarnation, id string) string {
	return ofRun(run) + "task." + Encode(incarnation) + "." + Encode(id)
}

// TaskAll matches the placeholders of a run that one life of a host produces.
func TaskAll(run, incarnation string) string {
	return ofRun(run) + "task." + Encode(incarnation) + ".*"
}

// AnyRunTask matches the placeholders of all runs that one life of a host produces.
func AnyRunTask(incarnation string) string { return runPrefix + "*.task." + Encode(incarnation) + ".*" }

// ParseTask reads a subject that Task built.
func ParseTask(subject string) (run, incarnation, id string, err error) {
	const want = "the subject of a placeholder"
	run, rest, err := cutRun(subject, want)
	if err != nil {
		return "", "", "", err
	}
	t := strings.Split(rest, ".")
	if len(t) != 3 || t[0] != "task" {
		return "", "", "", malformed(subject, want)
	}
	if err = decodeAll(t[1:], &incarnation, &id); err != nil {
		return "", "", "", err
	}
	return run, incarnation, id, nil
}

// EnvCall is the request subject of an environment's function.
func EnvCall(run, env, function string) string {
	return ofRun(run) + "env." + Encode(env) + ".call." + Encode(function)
}

// EnvCallAll matches the calls of all functions of all environments of a run.
func EnvCallAll(run string) string { return ofRun(run) + "env.*.call.*" }

// AnyRunEnvCall matches the calls of all functions of all environments of all runs.
func AnyRunEnvCall() string { return runPrefix + "*.env.*.call.*" }

// ParseEnvCall reads a subject that EnvCall built.
func ParseEnvCall(subject string) (run, env, function string, err error) {
	return parseCall(subject, "env", "the subject of an environment's function")
}

// HubCall is the request subject of a hub's verb.
func HubCall(run, hub, verb string) string {
	return ofRun(run) + "hub." + Encode(hub) + ".call." + Encode(verb)
}

// HubCallAll matches the calls of all verbs of all hubs of a run.
func HubCallAll(run string) string { return ofRun(run) + "hub.*.call.*" }

// AnyRunHubCall matches the calls of all verbs of all hubs of all runs.
func AnyRunHubCall() string { return runPrefix + "*.hub.*.call.*" }

// ParseHubCall reads a subject that HubCall built.
func ParseHubCall(subject string) (run, hub, verb string, err error) {
	return parseCall(subject, "hub", "the subject of a hub's verb")
}

// HubSaid is the subject on which what was said in a hub is kept, in one order for all. It is not a request subject.
func HubSaid(run, hub string) string { return ofRun(run) + "hub." + Encode(hub) + ".said" }

// ParseHubSaid reads a subject that HubSaid built.
func ParseHubSaid(subject string) (run, hub string, err error) {
	const want = "the subject of what was said in a hub"
	run, rest, err := cutRun(subject, want)
	if err != nil {
		return "", "", err
	}
	t := strings.Split(rest, ".")
	if len(t) != 3 || t[0] != "hub" || t[2] != "said" {
		return "", "", malformed(subject, want)
	}
	if err = decodeAll(t[1:], &hub); err != nil {
		return "", "", err
	}
	return run, hub, nil
}

// parseCall reads "myriad.run.<run>.<what>.<name>.call.<function>".
func parseCall(subject, what, want string) (run, name, function string, err error) {
	run, rest, err := cutRun(subject, want)
	if err != nil {
		return "", "", "", err
	}
	t := strings.Split(rest, ".")
	if len(t) != 4 || t[0] != what || t[2] != "call" {
		return "", "", "", malformed(subject, want)
	}
	if name, err = Decode(t[1]); err != nil {
		return "", "", "", err
	}
	if function, err = Decode(t[3]); err != nil {
		return "", "", "", err
	}
	return run, name, function, nil
}

func ofRun(run string) string { return runPrefix + Encode(run) + "." }

// cutRun takes "myriad.run.<run>." off a subject.
func cutRun(subject, want string) (run, rest string, err error) {
	rest, ok := strings.CutPrefix(subject, runPrefix)
	if !ok {
		return "", "", malformed(subject, want)
	}
	token, rest, ok := strings.Cut(rest, ".")
	if !ok {
		return "", "", malformed(subject, want)
	}
	if run, err = Decode(token); err != nil {
		return "", "", err
	}
	return run, rest, nil
}
