package subjects

import (
	"strconv"
	"strings"
)

// Address is where an agent of a run is reached: the part of its request subjects between the run and the verb. A code
// agent has "code.<host>.<name>", a population agent "agent.<shard>.<agent>". It holds no run, so what one run passes
// around cannot send requests into another.
type Address string

// CodeAddress is the address of a code agent. The host is the name of a program that serves agents, not of one life of it.
func CodeAddress(host, name string) Address {
	return Address("code." + Encode(host) + "." + Encode(name))
}

// PopulationAddress is the address of an agent of a scenario.
func PopulationAddress(shard, agent int) Address {
	return Address("agent." + strconv.Itoa(shard) + "." + strconv.Itoa(agent))
}

// Check returns nil for an address of one of the two forms, else ErrSubject or ErrToken.
func (a Address) Check() error {
	const want = "the address of an agent"
	t := strings.Split(string(a), ".")
	if len(t) != 3 {
		return malformed(string(a), want)
	}
	switch t[0] {
	case "code":
		var host, name string
		return decodeAll(t[1:], &host, &name)
	case "agent":
		for _, n := range t[1:] {
			if _, err := number(n); err != nil {
				return err
			}
		}
		return nil
	}
	return malformed(string(a), want)
}

// Code returns the host and the name in the address of a code agent; ok is false for any other.
func (a Address) Code() (host, name string, ok bool) {
	t := strings.Split(string(a), ".")
	if len(t) != 3 || t[0] != "code" || decodeAll(t[1:], &host, &name) != nil {
		return "", "", false
	}
	return host, name, true
}

// At is the request subject of the agent at an address, which has been checked. Verb is one of the Verb constants.
func At(run string, to Address, verb string) string { return ofRun(run) + string(to) + "." + verb }

// CodeAll matches the requests to all code agents of a host, in all runs.
func CodeAll(host string) string { return runPrefix + "*.code." + Encode(host) + ".*.*" }

// ParseCode reads the subject of a request to a code agent. It refuses verbs it does not know.
func ParseCode(subject string) (run, host, name, verb string, err error) {
	const want = "the subject of a code agent"
	run, rest, err := cutRun(subject, want)
	if err != nil {
		return "", "", "", "", err
	}
	t := strings.Split(rest, ".")
	if len(t) != 4 || t[0] != "code" {
		return "", "", "", "", malformed(subject, want)
	}
	switch t[3] {
	case VerbReply, VerbObserve, VerbState, VerbInterview, VerbCall:
	default:
		return "", "", "", "", malformed(subject, want)
	}
	if err = decodeAll(t[1:3], &host, &name); err != nil {
		return "", "", "", "", err
	}
	return run, host, name, t[3], nil
}

// Host is the request subject of a host's verb on its code agents of a run.
func Host(run, host, verb string) string { return ofRun(run) + "host." + Encode(host) + "." + verb }

// HostAll matches the requests to a host about the code agents of any run.
func HostAll(host string) string { return runPrefix + "*.host." + Encode(host) + ".*" }

// ParseHost reads a subject that Host built. It refuses verbs it does not know.
func ParseHost(subject string) (run, host, verb string, err error) {
	const want = "the subject of a host"
	run, rest, err := cutRun(subject, want)
	if err != nil {
		return "", "", "", err
	}
	t := strings.Split(rest, ".")
	if len(t) != 3 || t[0] != "host" {
		return "", "", "", malformed(subject, want)
	}
	switch t[2] {
	case VerbCreate, VerbDelete, VerbClone, VerbList, VerbHear, VerbPing:
	default:
		return "", "", "", malformed(subject, want)
	}
	if err = decodeAll(t[1:2], &host); err != nil {
		return "", "", "", err
	}
	return run, host, t[2], nil
}

const alivePrefix = "myriad.alive."

// Alive is the subject on which one life of a host says several times a second that it lives. Nobody answers.
func Alive(incarnation string) string { return alivePrefix + Encode(incarnation) }

// ParseAlive reads a subject that Alive built.
func ParseAlive(subject string) (incarnation string, err error) {
	token, ok := strings.CutPrefix(subject, alivePrefix)
	if !ok {
		return "", malformed(subject, "the subject of a host's signs of life")
	}
	return Decode(token)
}
