package subjects_test

import (
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// The wire is a promise to clients in other languages, so it is spelled out here.
func TestSubjectsAsDocumented(t *testing.T) {
	for got, want := range map[string]string{
		subjects.Chat("Qwen/Qwen2"):                    "myriad.llm.Qwen=2FQwen2.chat",
		subjects.ChatAll():                             "myriad.llm.*.chat",
		subjects.Forward("Qwen/Qwen2"):                 "myriad.llm.Qwen=2FQwen2.forward",
		subjects.ForwardAll():                          "myriad.llm.*.forward",
		subjects.Service("coordinator", "submit"):      "myriad.svc.coordinator.submit",
		subjects.Agent("r1", 0, 7, subjects.VerbReply): "myriad.run.r1.agent.0.7.reply",
		subjects.AgentShard("r1", 3):                   "myriad.run.r1.agent.3.*.*",
		subjects.Task("r1", "h1-a", "x"):               "myriad.run.r1.task.h1-a.x",
		subjects.TaskAll("r1", "h1-a"):                 "myriad.run.r1.task.h1-a.*",
		subjects.EnvCall("r1", "world/a", "get"):       "myriad.run.r1.env.world=2Fa.call.get",
		subjects.EnvCallAll("r1"):                      "myriad.run.r1.env.*.call.*",
		subjects.EnvKind("my/kind", "r1", "w/a", "f"):  "myriad.svc.environment.my=2Fkind.r1.w=2Fa.f",
		subjects.EnvKindAll("my/kind"):                 "myriad.svc.environment.my=2Fkind.*.*.*",
		subjects.HubCall("r1", "room", "speak"):        "myriad.run.r1.hub.room.call.speak",
		subjects.HubCallAll("r1"):                      "myriad.run.r1.hub.*.call.*",
		subjects.HubSaid("r1", "room"):                 "myriad.run.r1.hub.room.said",
		subjects.LogCtl("r1", subjects.KindEnvState):   "myriad.run.r1.log.ctl.env.state",
		subjects.LogCtlAll("r1"):                       "myriad.run.r1.log.ctl.>",
		subjects.AnyRunCtl():                           "myriad.run.*.log.ctl.>",
		subjects.LogAnswer("r1", 12):                   "myriad.run.r1.log.answer.12",
		subjects.LogAnswerAll("r1"):                    "myriad.run.r1.log.answer.*",
		subjects.LogAsked("r1", 12):                    "myriad.run.r1.log.asked.12",
		subjects.LogAskedAll("r1"):                     "myriad.run.r1.log.asked.*",
		subjects.LogMessage("r1", 12):                  "myriad.run.r1.log.message.12",
		subjects.LogMessageAll("r1"):                   "myriad.run.r1.log.message.*",
		subjects.LogAll("r1"):                          "myriad.run.r1.log.>",
		subjects.LogCode("r1", "h 1"):                  "myriad.run.r1.log.code.h=201",
		subjects.AnyRunLogCode("h1"):                   "myriad.run.*.log.code.h1",
		subjects.LogEnv("r1", "world"):                 "myriad.run.r1.log.env.world",
		subjects.AnyRunLogEnv():                        "myriad.run.*.log.env.*",
		subjects.CodeAll("js-1"):                       "myriad.run.*.code.js-1.*.*",
		subjects.Host("r1", "h1", subjects.VerbCreate): "myriad.run.r1.host.h1.create",
		subjects.HostAll("h1"):                         "myriad.run.*.host.h1.*",
		subjects.AnyRunTask("h1-a"):                    "myriad.run.*.task.h1-a.*",
		subjects.AnyRunEnvCall():                       "myriad.run.*.env.*.call.*",
		subjects.AnyRunHubCall():                       "myriad.run.*.hub.*.call.*",
		subjects.Alive("h1-a"):                         "myriad.alive.h1-a",
		subjects.At("r1", subjects.CodeAddress("js-1", "alice"), subjects.VerbReply): "myriad.run.r1.code.js-1.alice.reply",
		subjects.At("r1", subjects.PopulationAddress(0, 7), subjects.VerbObserve):    "myriad.run.r1.agent.0.7.observe",
	} {
		require.Equal(t, want, got)
	}
}

// anyText draws names as people and attackers choose them.
func anyText() *rapid.Generator[string] {
	return rapid.OneOf(
		rapid.StringMatching(`[a-z0-9-]{1,12}`),
		rapid.SampledFrom([]string{
			"", ".", "*", ">", "a.b", "log", "log.>", "said", "hub.x.said", "x.log.ctl.created", "é", " ", "$JS", "\r\n",
		}),
		rapid.String(),
		rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
	)
}

var verbs = []string{subjects.VerbReply, subjects.VerbObserve, subjects.VerbState, subjects.VerbInterview, subjects.VerbCall}

var hostVerbs = []string{subjects.VerbCreate, subjects.VerbDelete, subjects.VerbClone, subjects.VerbList, subjects.VerbHear, subjects.VerbPing}

var kinds = []string{
	subjects.KindCreated, subjects.KindPopulated, subjects.KindLease, subjects.KindOpened, subjects.KindClosed,
	subjects.KindEnvState, subjects.KindPaused, subjects.KindResumed, subjects.KindCancelled, subjects.KindFinished,
	subjects.KindFailed,
}

// parts are drawn once and used by every builder.
type parts struct {
	run, a, b    string
	shard, agent int
	verb, kind   string
	hostVerb     string
}

func drawParts(t *rapid.T) parts {
	return parts{
		run: anyText().Draw(t, "run"), a: anyText().Draw(t, "a"), b: anyText().Draw(t, "b"),
		shard: rapid.IntMin(0).Draw(t, "shard"), agent: rapid.IntMin(0).Draw(t, "agent"),
		verb: rapid.SampledFrom(verbs).Draw(t, "verb"), kind: rapid.SampledFrom(kinds).Draw(t, "kind"),
		hostVerb: rapid.SampledFrom(hostVerbs).Draw(t, "host verb"),
	}
}

// requests are all subjects on which an answer is awaited, with the filter their service subscribes to ("" if the
// subject itself).
func requests(p parts) map[string]string {
	return map[string]string{
		subjects.Chat(p.a):                                                         subjects.ChatAll(),
		subjects.Forward(p.a):                                                      subjects.ForwardAll(),
		subjects.Service(p.a, p.b):                                                 "",
		subjects.Agent(p.run, p.shard, p.agent, p.verb):                            subjects.AgentShard(p.run, p.shard),
		subjects.Task(p.run, p.a, p.b):                                             subjects.TaskAll(p.run, p.a),
		subjects.EnvCall(p.run, p.a, p.b):                                          subjects.EnvCallAll(p.run),
		subjects.HubCall(p.run, p.a, p.b):                                          subjects.HubCallAll(p.run),
		subjects.Host(p.run, p.a, p.hostVerb):                                      subjects.HostAll(p.a),
		subjects.At(p.run, subjects.CodeAddress(p.a, p.b), p.verb):                 subjects.CodeAll(p.a),
		subjects.At(p.run, subjects.PopulationAddress(p.shard, p.agent+1), p.verb): subjects.AgentShard(p.run, p.shard),
		subjects.Task(p.run, p.a, p.b+"x"):                                         subjects.AnyRunTask(p.a),
		subjects.EnvCall(p.run, p.a, p.b+"x"):                                      subjects.AnyRunEnvCall(),
		subjects.HubCall(p.run, p.a, p.b+"x"):                                      subjects.AnyRunHubCall(),
		subjects.Alive(p.a):                                                        "",
		subjects.EnvKind(p.a, p.run, p.b, p.kind):                                  subjects.EnvKindAll(p.a),
	}
}

// records are all subjects that a stream keeps, with that stream's filter and the filter readers use.
func records(p parts) map[string][2]string {
	log, hub := subjects.StreamLogSubject, subjects.StreamHubSubject
	return map[string][2]string{
		subjects.LogCtl(p.run, p.kind):      {log, subjects.LogCtlAll(p.run)},
		subjects.LogAnswer(p.run, p.shard):  {log, subjects.LogAnswerAll(p.run)},
		subjects.LogAsked(p.run, p.shard):   {log, subjects.LogAskedAll(p.run)},
		subjects.LogMessage(p.run, p.shard): {log, subjects.LogMessageAll(p.run)},
		subjects.LogCode(p.run, p.a):        {log, subjects.AnyRunLogCode(p.a)},
		subjects.LogEnv(p.run, p.a):         {log, subjects.AnyRunLogEnv()},
		subjects.HubSaid(p.run, p.a):        {hub, ""},
	}
}

// The broker itself is asked whether subjects meet: it would answer a request that a stream captures, and the service
// would look as if it had replied.
func TestNoRequestSubjectIsInAStream(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		for subject, filter := range requests(drawParts(t)) {
			require.True(t, server.IsValidLiteralSubject(subject), "%q", subject)
			for _, stream := range []string{subjects.StreamLogSubject, subjects.StreamHubSubject} {
				require.False(t, server.SubjectsCollide(subject, stream), "%q is in %q", subject, stream)
				if filter != "" {
					require.False(t, server.SubjectsCollide(filter, stream), "%q meets %q", filter, stream)
				}
			}
			if filter != "" {
				require.True(t, server.SubjectsCollide(subject, filter), "%q is not in %q", subject, filter)
			}
		}
	})
}

func TestEveryRecordIsInItsStreamOnly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawParts(t)
		for subject, filters := range records(p) {
			require.True(t, server.IsValidLiteralSubject(subject), "%q", subject)
			for _, stream := range []string{subjects.StreamLogSubject, subjects.StreamHubSubject} {
				require.Equal(t, stream == filters[0], server.SubjectsCollide(subject, stream), "%q and %q", subject, stream)
			}
			if filters[0] == subjects.StreamLogSubject {
				require.True(t, server.SubjectsCollide(subject, filters[1]))
				require.True(t, server.SubjectsCollide(subject, subjects.LogAll(p.run)))
				control := strings.Contains(filters[1], ".ctl.")
				require.Equal(t, control, server.SubjectsCollide(subject, subjects.AnyRunCtl()))
			}
		}
	})
}

// What one run, shard or host listens to reaches nobody else, whatever their names are.
func TestFiltersKeepNamesApart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, q := drawParts(t), drawParts(t)
		require.Equal(t, p.run == q.run, server.SubjectsCollide(subjects.LogCtl(p.run, p.kind), subjects.LogAll(q.run)))
		require.Equal(t, p.run == q.run && p.shard == q.shard,
			server.SubjectsCollide(subjects.Agent(p.run, p.shard, p.agent, p.verb), subjects.AgentShard(q.run, q.shard)))
		require.Equal(t, p.run == q.run && p.a == q.a,
			server.SubjectsCollide(subjects.Task(p.run, p.a, p.b), subjects.TaskAll(q.run, q.a)))
		require.Equal(t, p.a == q.a,
			server.SubjectsCollide(subjects.At(p.run, subjects.CodeAddress(p.a, p.b), p.verb), subjects.CodeAll(q.a)))
		require.Equal(t, p.a == q.a, server.SubjectsCollide(subjects.Host(p.run, p.a, p.hostVerb), subjects.HostAll(q.a)))
		require.Equal(t, p.a == q.a, server.SubjectsCollide(subjects.LogCode(p.run, p.a), subjects.AnyRunLogCode(q.a)))
	})
}

func TestParseReadsWhatWasBuilt(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawParts(t)

		run, shard, agent, verb, err := subjects.ParseAgent(subjects.Agent(p.run, p.shard, p.agent, p.verb))
		require.NoError(t, err)
		require.Equal(t, parts{run: p.run, shard: p.shard, agent: p.agent, verb: p.verb},
			parts{run: run, shard: shard, agent: agent, verb: verb})

		for _, c := range []struct {
			build func(run, a, b string) string
			parse func(subject string) (run, a, b string, err error)
		}{
			{subjects.Task, subjects.ParseTask},
			{subjects.EnvCall, subjects.ParseEnvCall},
			{subjects.HubCall, subjects.ParseHubCall},
		} {
			run, a, b, err := c.parse(c.build(p.run, p.a, p.b))
			require.NoError(t, err)
			require.Equal(t, []string{p.run, p.a, p.b}, []string{run, a, b})
		}

		run, hub, err := subjects.ParseHubSaid(subjects.HubSaid(p.run, p.a))
		require.NoError(t, err)
		require.Equal(t, []string{p.run, p.a}, []string{run, hub})

		model, err := subjects.ParseChat(subjects.Chat(p.a))
		require.NoError(t, err)
		require.Equal(t, p.a, model)
		model, err = subjects.ParseForward(subjects.Forward(p.a))
		require.NoError(t, err)
		require.Equal(t, p.a, model)
		require.False(t, server.SubjectsCollide(subjects.Forward(p.a), subjects.ChatAll()), "they are answered differently")

		for subject, want := range map[string]subjects.Log{
			subjects.LogCtl(p.run, p.kind):      {Run: p.run, Class: subjects.ClassControl, Kind: p.kind},
			subjects.LogAnswer(p.run, p.shard):  {Run: p.run, Class: subjects.ClassAnswer, Shard: p.shard},
			subjects.LogAsked(p.run, p.shard):   {Run: p.run, Class: subjects.ClassAsked, Shard: p.shard},
			subjects.LogMessage(p.run, p.shard): {Run: p.run, Class: subjects.ClassMessage, Shard: p.shard},
		} {
			got, err := subjects.ParseLog(subject)
			require.NoError(t, err)
			require.Equal(t, want, got)
		}
	})
}
