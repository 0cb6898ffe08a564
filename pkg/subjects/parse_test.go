package subjects_test

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// parsers take a subject and, if they accept it, build it again from what they read.
var parsers = map[string]func(subject string) (rebuilt string, err error){
	"agent": func(s string) (string, error) {
		run, shard, agent, verb, err := subjects.ParseAgent(s)
		return subjects.Agent(run, shard, agent, verb), err
	},
	"task": func(s string) (string, error) {
		run, incarnation, id, err := subjects.ParseTask(s)
		return subjects.Task(run, incarnation, id), err
	},
	"env": func(s string) (string, error) {
		run, env, function, err := subjects.ParseEnvCall(s)
		return subjects.EnvCall(run, env, function), err
	},
	"env kind": func(s string) (string, error) {
		kind, run, env, function, err := subjects.ParseEnvKind(s)
		return subjects.EnvKind(kind, run, env, function), err
	},
	"hub": func(s string) (string, error) {
		run, hub, verb, err := subjects.ParseHubCall(s)
		return subjects.HubCall(run, hub, verb), err
	},
	"said": func(s string) (string, error) {
		run, hub, err := subjects.ParseHubSaid(s)
		return subjects.HubSaid(run, hub), err
	},
	"chat": func(s string) (string, error) {
		model, err := subjects.ParseChat(s)
		return subjects.Chat(model), err
	},
	"forward": func(s string) (string, error) {
		model, err := subjects.ParseForward(s)
		return subjects.Forward(model), err
	},
	"code": func(s string) (string, error) {
		run, host, name, verb, err := subjects.ParseCode(s)
		return subjects.At(run, subjects.CodeAddress(host, name), verb), err
	},
	"host": func(s string) (string, error) {
		run, host, verb, err := subjects.ParseHost(s)
		return subjects.Host(run, host, verb), err
	},
	"alive": func(s string) (string, error) {
		incarnation, err := subjects.ParseAlive(s)
		return subjects.Alive(incarnation), err
	},
	"log": func(s string) (string, error) {
		l, err := subjects.ParseLog(s)
		switch l.Class {
		case subjects.ClassControl:
			return subjects.LogCtl(l.Run, l.Kind), err
		case subjects.ClassAnswer:
			return subjects.LogAnswer(l.Run, l.Shard), err
		case subjects.ClassAsked:
			return subjects.LogAsked(l.Run, l.Shard), err
		case subjects.ClassCode:
			return subjects.LogCode(l.Run, l.Name), err
		case subjects.ClassEnv:
			return subjects.LogEnv(l.Run, l.Name), err
		default:
			return subjects.LogMessage(l.Run, l.Shard), err
		}
	},
}

// accepted has one subject that each parser takes; every other parser must refuse it.
var accepted = map[string]string{
	"agent":    "myriad.run.r1.agent.0.7.reply",
	"task":     "myriad.run.r1.task.h1.x",
	"env":      "myriad.run.r1.env.world.call.get",
	"env kind": "myriad.svc.environment.mine.r1.world.get",
	"hub":      "myriad.run.r1.hub.room.call.speak",
	"said":     "myriad.run.r1.hub.room.said",
	"chat":     "myriad.llm.m.chat",
	"forward":  "myriad.llm.m.forward",
	"code":     "myriad.run.r1.code.h1.alice.call",
	"host":     "myriad.run.r1.host.h1.hear",
	"alive":    "myriad.alive.h1-a",
	"log":      "myriad.run.r1.log.ctl.env.state",
}

func TestEachSubjectHasOneParser(t *testing.T) {
	for kind, subject := range accepted {
		for name, parse := range parsers {
			rebuilt, err := parse(subject)
			if name == kind {
				require.NoError(t, err)
				require.Equal(t, subject, rebuilt)
			} else {
				require.Error(t, err, "%s takes %s", name, subject)
			}
		}
	}
}

func TestParsersRefuse(t *testing.T) {
	for _, subject := range []string{
		"", ".", "myriad", "myriad.run", "myriad.run.", "myriad.run.r1", "myriad.run.r1.", "other.run.r1.agent.0.7.reply",
		"myriad.run..agent.0.7.reply", "myriad.run.*.agent.0.7.reply", "myriad.run.r1.agent.0.7", "myriad.run.r1.agent.0.7.",
		"myriad.run.r1.agent.0.7.delete", "myriad.run.r1.agent.0.7.reply.x", "myriad.run.r1.agent.-1.7.reply",
		"myriad.run.r1.agent.00.7.reply", "myriad.run.r1.agent.+1.7.reply", "myriad.run.r1.agent.0x1.7.reply",
		"myriad.run.r1.agent.0.99999999999999999999.reply", "myriad.run.r1.agent.*.7.reply", "myriad.run.r=2.agent.0.7.reply",
		"myriad.run.r1.task.h1", "myriad.run.r1.task..x", "myriad.run.r1.task.*.x", "myriad.run.r1.task.h1.x.y",
		"myriad.run.r1.env.w.get", "myriad.run.r1.env.w.call", "myriad.run.r1.env.w.call.*", "myriad.run.r1.env..call.get",
		"myriad.run.r1.hub.said", "myriad.run.r1.hub.*.said", "myriad.run.r1.hub.room.said.x",
		"myriad.run.r1.log", "myriad.run.r1.log.>", "myriad.run.r1.log.ctl", "myriad.run.r1.log.ctl.", "myriad.run.r1.log.ctl.>",
		"myriad.run.r1.log.ctl.*", "myriad.run.r1.log.ctl.nonsense", "myriad.run.r1.log.answer", "myriad.run.r1.log.answer.*",
		"myriad.run.r1.log.answer.a", "myriad.run.r1.log.answer.-0", "myriad.run.r1.log.asked.1.2", "myriad.run.r1.log.other.1",
		"myriad.run.r1.log.code", "myriad.run.r1.log.code.", "myriad.run.r1.log.code.*", "myriad.run.r1.log.env.a.b",
		"myriad.run.r1.code.h.a", "myriad.run.r1.code.h.a.sing", "myriad.run.r1.code.h.*.reply", "myriad.run.r1.code..a.reply", "myriad.run.r1.code.h.a.reply.x",
		"myriad.run.r1.host.h", "myriad.run.r1.host.h.eat", "myriad.run.r1.host.>.list", "myriad.alive", "myriad.alive.", "myriad.alive.*",
		"myriad.llm.chat", "myriad.llm..chat", "myriad.llm.*.chat", "myriad.llm.m", "myriad.llm.a.b.chat", "myriad.llm.m.chat.x",
	} {
		for name, parse := range parsers {
			_, err := parse(subject)
			require.Error(t, err, "%s takes %q", name, subject)
			require.True(t, isKnown(err), "%s: %v", name, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, subject := range accepted {
		f.Add(subject)
	}
	f.Add("myriad.run.=2E.log.answer.12")
	f.Add("myriad.llm.=.chat")
	f.Fuzz(func(t *testing.T, subject string) {
		for name, parse := range parsers {
			rebuilt, err := parse(subject)
			if err != nil {
				require.True(t, isKnown(err), "%s: %v", name, err)
				continue
			}
			require.Equal(t, subject, rebuilt, "%s accepts another spelling", name)
		}
	})
}

func isKnown(err error) bool {
	return errors.Is(err, subjects.ErrSubject) || errors.Is(err, subjects.ErrToken)
}

func TestAddresses(t *testing.T) {
	for _, a := range []subjects.Address{
		subjects.CodeAddress("js-1", "alice"), subjects.CodeAddress("a.b", "*"), subjects.CodeAddress("", ""), subjects.PopulationAddress(0, 7),
	} {
		require.NoError(t, a.Check(), a)
	}
	host, name, ok := subjects.CodeAddress("a/b", ">").Code()
	require.True(t, ok)
	require.Equal(t, []string{"a/b", ">"}, []string{host, name})
	_, _, ok = subjects.PopulationAddress(0, 7).Code()
	require.False(t, ok)
	for _, a := range []subjects.Address{
		"", "code", "code.h", "code.h.a.b", "code.*.a", "code.h.>", "code..a", "agent.0", "agent.0.-1", "agent.00.1", "agent.a.1", "task.h.1", "code.h.a ",
	} {
		require.True(t, isKnown(a.Check()), "%q: %v", a, a.Check())
	}
}
