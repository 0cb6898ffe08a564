package keys_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/keys"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// place is a server with users, streams and two outside agents of different runs.
type place struct {
	dir    keys.Dir
	server *bus.Server
	seeds  map[string]string // by role, or name of an outside agent
	users  map[string]keys.User
}

func newPlace(t *testing.T) *place {
	t.Helper()
	p := &place{dir: made(t), seeds: map[string]string{}, users: map[string]keys.User{}}
	for _, r := range keys.Roles {
		p.seeds[string(r)] = p.dir.Seed(r)
	}
	for run, name := range map[string]string{"r1": "outside", "r2": "other"} {
		u, seed, err := p.dir.AddAgent(run, name)
		require.NoError(t, err)
		p.seeds[name], p.users[name] = seed, u
	}
	list, err := p.dir.Users()
	require.NoError(t, err)
	for _, u := range list {
		if u.Role != keys.Agent {
			p.users[string(u.Role)] = u
		}
	}
	p.server, err = bus.StartServer(t.Context(), bus.ServerConfig{
		DataDir: t.TempDir(), Listen: "127.0.0.1:0", Log: natstest.Logger(t),
		Secure: &bus.Secure{Auth: p.dir.Auth(), Cert: p.dir.NATSCert(), Key: p.dir.NATSKey()},
	})
	require.NoError(t, err)
	t.Cleanup(p.server.Stop)
	js, err := jetstream.New(p.as(t, "coordinator"))
	require.NoError(t, err)
	require.NoError(t, bus.Provision(t.Context(), js, bus.Options{MaxBytes: 64 << 20}))
	return p
}

// as connects as a user. The connection notes what it is refused.
func (p *place) as(t testing.TB, who string) *nats.Conn {
	t.Helper()
	opt, err := nats.NkeyOptionFromSeed(p.seeds[who])
	require.NoError(t, err)
	nc, err := nats.Connect("", nats.InProcessServer(p.server), opt, nats.NoReconnect(), nats.CustomInboxPrefix(bus.InboxPrefix(p.users[who].Public)),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))
	require.NoError(t, err)
	t.Cleanup(nc.Close)
	return nc
}

// refused reports whether the server refuses something that do does. The server answers in order, so its refusal is there
// before the answer to Flush.
func (p *place) refused(t testing.TB, who string, do func(nc *nats.Conn) error) bool {
	t.Helper()
	nc := p.as(t, who)
	defer nc.Close()
	require.NoError(t, do(nc))
	require.NoError(t, nc.FlushTimeout(10*time.Second))
	err := nc.LastError()
	if err != nil {
		require.ErrorIs(t, err, nats.ErrPermissionViolation)
	}
	return err != nil
}

func (p *place) mayPublish(t testing.TB, who, subject string) bool {
	t.Helper()
	return !p.refused(t, who, func(nc *nats.Conn) error { return nc.Publish(subject, nil) })
}

func (p *place) maySubscribe(t testing.TB, who, subject string) bool {
	t.Helper()
	return !p.refused(t, who, func(nc *nats.Conn) error {
		_, err := nc.SubscribeSync(subject)
		return err
	})
}

var everybody = []string{"coordinator", "agenthost", "environment", "bgen", "llmproxy", "cli", "program", "process", "outside", "other"}

// Each line is something to do, and all who may. Everybody else tries it, and is refused.
var publishing = []struct {
	what string
	who  string
}{
	{"myriad.run.r1.log.ctl.created", "coordinator"},
	{"myriad.run.r1.log.ctl.closed", "coordinator"},
	{"myriad.run.r1.log.ctl.fault", "coordinator"},
	{"myriad.run.r1.log.ctl.env.state", "environment program"},
	{"myriad.run.r1.log.ctl.env.other", ""},
	{"myriad.run.r1.log.ctl.closed.x", ""},
	{"myriad.run.r1.log.env.world", "environment program"},
	{"myriad.run.r1.log.asked.0", "agenthost program"},
	{"myriad.run.r1.log.answer.0", "agenthost program"},
	{"myriad.run.r1.log.message.0", "agenthost program"},
	{"myriad.run.r1.log.code.h1", "agenthost program process"},
	{"myriad.run.r1.log.other.0", ""},
	{"myriad.run.r1.hub.square.said", "environment program"},
	{"$KV.myriad_runs.r1", "coordinator"},
	{"$KV.myriad_hosts.h1", "agenthost program"},
	{"$KV.myriad_env.r1.world", "environment program"},
	{"$KV.myriad_usage.r1", "llmproxy"},
	{"$O.myriad_personas.M.x", "bgen"},
	{"$O.myriad_files.C.x", "agenthost environment program process"},
	{"myriad.llm.player.chat", "agenthost program process"},
	{"myriad.llm.player.forward", "agenthost program"},
	{"myriad.svc.bgen.populate", "coordinator cli"},
	{"myriad.svc.coordinator.submit", "coordinator cli"},
	{"myriad.svc.coordinator.cancel", "coordinator cli"},
	{"myriad.svc.coordinator.trouble", "coordinator cli agenthost environment program"},
	{"myriad.svc.coordinator.models", "coordinator cli llmproxy"},
	{"myriad.svc.coordinator.drain", "coordinator cli agenthost program"},
	{"myriad.svc.coordinator.undrain", "coordinator cli"},
	{"myriad.svc.agenthost.drain", "coordinator cli"},
	{"myriad.svc.environment.lake.r1.world.catch", "environment program"},
	{"myriad.run.r1.code.outside.bob.reply", "agenthost environment llmproxy cli program outside process"},
	{"myriad.run.r2.code.other.bob.reply", "agenthost environment llmproxy cli program other process"},
	{"myriad.run.r1.agent.0.7.reply", "agenthost environment llmproxy cli program outside process"},
	{"myriad.run.r1.env.world.call.incr", "agenthost environment cli program outside process"},
	{"myriad.run.r2.env.world.call.incr", "agenthost environment cli program other process"},
	{"myriad.run.r1.hub.square.call.add", "agenthost environment cli program outside process"},
	{"myriad.run.r1.host.h1.create", "agenthost environment cli program process"},
	{"myriad.run.r1.task.p.x", "agenthost environment llmproxy cli program outside process"},
	{"myriad.alive.outside", "agenthost cli program outside process"},
	{"myriad.alive.h1", "agenthost cli program process"},
	{"$JS.API.STREAM.CREATE.MYRIAD_LOG", "coordinator"},
	{"$JS.API.STREAM.UPDATE.MYRIAD_LOG", "coordinator"},
	{"$JS.API.STREAM.CREATE.OTHER", ""},
	{"$JS.API.STREAM.DELETE.MYRIAD_LOG", ""},
	{"$JS.API.STREAM.PURGE.MYRIAD_LOG", ""},
	{"$JS.API.STREAM.MSG.DELETE.MYRIAD_LOG", ""},
	{"$JS.API.STREAM.PURGE.OBJ_myriad_personas", "bgen"},
	{"$JS.API.STREAM.DELETE.KV_myriad_runs", ""},
	{"$JS.API.STREAM.INFO.MYRIAD_LOG", "coordinator agenthost environment llmproxy cli program process"},
	{"$JS.API.CONSUMER.CREATE.MYRIAD_LOG.c1", "coordinator agenthost environment llmproxy cli program process"},
	{"$JS.API.CONSUMER.CREATE.MYRIAD_LOG.c1.myriad.run.r1.log.>", "coordinator agenthost environment llmproxy cli program process"},
	{"$JS.API.CONSUMER.DURABLE.CREATE.MYRIAD_LOG.c1", ""},
	{"$JS.API.CONSUMER.NAMES.MYRIAD_LOG", ""},
	{"$JS.API.DIRECT.GET.MYRIAD_LOG", "coordinator agenthost environment llmproxy cli program process"},
	{"$JS.API.STREAM.MSG.GET.MYRIAD_LOG", "coordinator agenthost environment llmproxy cli program process"},
	{"$JS.API.CONSUMER.CREATE.MYRIAD_HUB.c1", "agenthost environment cli program process"},
	{"$JS.API.STREAM.INFO.OBJ_myriad_personas", "coordinator agenthost bgen cli program"},
	{"$JS.API.INFO", "coordinator cli"},
	{"$JS.API.STREAM.LIST", "cli"},
	{"$JS.API.STREAM.SNAPSHOT.MYRIAD_LOG", ""},
	{"$JS.API.ACCOUNT.PURGE.MYRIAD", ""},
	{"$SYS.REQ.SERVER.PING", ""},
	{"$SRV.PING", "cli"},
	{"anything", ""},
}

var subscribing = []struct {
	what string
	who  string
}{
	{">", ""}, {"*", ""}, {"_INBOX.>", ""}, {"_INBOX.*.>", ""}, {"$SYS.>", ""}, {"$JS.>", ""}, {"$KV.>", ""},
	{"myriad.>", "cli"},
	{"myriad.run.*.log.>", "cli"},
	{"$KV.myriad_hosts.>", "coordinator"},
	{"$KV.myriad_usage.>", ""},
	{"myriad.llm.*.chat", "llmproxy cli"},
	{"myriad.svc.coordinator.submit", "coordinator cli"},
	{"myriad.svc.agenthost.info", "agenthost program cli"},
	{"myriad.svc.bgen.populate", "bgen cli"},
	{"myriad.svc.environment.lake.*.*.*", "environment program cli"},
	{"myriad.run.*.agent.*.*.*", "agenthost program cli"},
	{"myriad.run.*.code.h1.*.*", "agenthost program cli process"},
	{"myriad.run.*.env.*.call.*", "environment program cli"},
	{"myriad.run.*.hub.*.call.*", "environment program cli"},
	{"myriad.run.*.task.p.*", "agenthost program cli process"},
	{"myriad.alive.*", "agenthost environment llmproxy program cli outside other process"},
	{"myriad.run.r1.code.outside.*.*", "outside agenthost program cli process"},
	{"myriad.run.r1.host.outside.*", "outside agenthost program cli process"},
	{"myriad.run.r1.task.outside.*", "outside agenthost program cli process"},
	{"myriad.run.r2.code.outside.*.*", "agenthost program cli process"},
	{"myriad.run.*.code.outside.*.*", "agenthost program cli process"},
	{"myriad.run.r1.code.other.*.*", "agenthost program cli process"},
	{"myriad.run.r1.task.*.*", "agenthost program cli process"},
	{"myriad.run.r1.env.world.call.incr", "environment program cli"},
	{"$SRV.PING", "coordinator agenthost environment bgen llmproxy program"},
	{"$SRV.PING.bgen", "bgen"},
}

func TestEveryPermissionHolds(t *testing.T) {
	p := newPlace(t)
	for _, c := range publishing {
		for _, who := range everybody {
			require.Equal(t, slices.Contains(strings.Fields(c.who), who), p.mayPublish(t, who, c.what), "%s publishes to %s", who, c.what)
		}
	}
	for _, c := range subscribing {
		for _, who := range everybody {
			require.Equal(t, slices.Contains(strings.Fields(c.who), who), p.maySubscribe(t, who, c.what), "%s subscribes to %s", who, c.what)
		}
	}
	for _, reader := range everybody {
		for _, owner := range everybody {
			inbox := bus.InboxPrefix(p.users[owner].Public) + ".>"
			require.Equal(t, reader == owner, p.maySubscribe(t, reader, inbox), "%s reads the inboxes of %s", reader, owner)
		}
	}
}

// A request can name any subject for its answer. Were users allowed to answer whatever they are asked, one could ask itself,
// or another, and have the answer be a record of the log, or an order to the broker.
func TestNobodyAnswersIntoTheLog(t *testing.T) {
	p := newPlace(t)
	js, err := jetstream.New(p.as(t, "coordinator"))
	require.NoError(t, err)
	stream, err := js.Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	for responder, subject := range map[string]string{
		"outside": "myriad.run.r1.code.outside.bob.reply", "environment": "myriad.run.r1.env.world.call.incr", "agenthost": "myriad.run.r1.agent.0.7.reply",
	} {
		answering, asking := p.as(t, responder), p.as(t, "outside")
		sub, err := answering.SubscribeSync(subject)
		require.NoError(t, err)
		require.NoError(t, answering.Flush())
		for _, at := range []string{subjects.LogCtl("r2", subjects.KindClosed), "$JS.API.STREAM.DELETE.MYRIAD_LOG", "$JS.API.STREAM.PURGE.MYRIAD_LOG"} {
			require.NoError(t, asking.PublishRequest(subject, at, nil))
			m, err := sub.NextMsg(10 * time.Second)
			require.NoError(t, err)
			require.Equal(t, at, m.Reply, "the broker lets a request name any subject")
			require.NoError(t, m.Respond(nil))
			require.NoError(t, answering.Flush())
			require.ErrorIs(t, answering.LastError(), nats.ErrPermissionViolation)
		}
		require.NoError(t, asking.Flush())
		require.NoError(t, asking.LastError())
	}
	info, err := stream.Info(t.Context())
	require.NoError(t, err)
	require.Zero(t, info.State.Msgs)
}

// What is asked is answered, in as many parts as it takes, and nobody else hears the answer.
func TestAnswersArriveInParts(t *testing.T) {
	p := newPlace(t)
	proxy, host, curious := p.as(t, "llmproxy"), p.as(t, "agenthost"), p.as(t, "cli")
	_, err := proxy.QueueSubscribe(subjects.ChatAll(), subjects.ChatQueue, func(m *nats.Msg) {
		for i := range 5 {
			_ = m.Respond(fmt.Append(nil, i)) // seen by whoever waits
		}
	})
	require.NoError(t, err)
	require.NoError(t, proxy.Flush())
	overheard, err := curious.SubscribeSync(subjects.Everything)
	require.NoError(t, err)
	require.NoError(t, curious.Flush())
	inbox := host.NewInbox()
	answers, err := host.SubscribeSync(inbox)
	require.NoError(t, err)
	require.NoError(t, host.PublishRequest(subjects.Chat("player"), inbox, []byte("hello")))
	for i := range 5 {
		m, err := answers.NextMsg(10 * time.Second)
		require.NoError(t, err)
		require.Equal(t, fmt.Sprint(i), string(m.Data))
	}
	m, err := overheard.NextMsg(10 * time.Second)
	require.NoError(t, err)
	require.Equal(t, subjects.Chat("player"), m.Subject)
	require.NoError(t, curious.Flush())
	n, _, err := overheard.Pending()
	require.NoError(t, err)
	require.Zero(t, n)
}

// A user that is taken away is cut off, and one that is added may come, without a restart.
func TestUsersAreReadAnew(t *testing.T) {
	p := newPlace(t)
	nc := p.as(t, "outside")
	require.NoError(t, p.dir.RemoveAgent("r1", "outside"))
	require.Eventually(t, nc.IsClosed, 20*time.Second, 20*time.Millisecond)
	u, seed, err := p.dir.AddAgent("r1", "late")
	require.NoError(t, err)
	p.seeds["late"], p.users["late"] = seed, u
	require.Eventually(t, func() bool {
		nc, err := bus.Connect(t.Context(), bus.ConnectConfig{URL: p.server.URL(), CA: p.dir.CA(), NKey: seed}, natstest.Logger(t))
		if err == nil {
			nc.Close()
		}
		return err == nil
	}, 20*time.Second, 20*time.Millisecond)
	require.True(t, p.maySubscribe(t, "late", "myriad.run.r1.code.late.*.*"))
}

// Without a key of the list nobody comes in.
func TestStrangersStayOut(t *testing.T) {
	p := newPlace(t)
	stranger := made(t)
	cfg := bus.ConnectConfig{URL: p.server.URL(), CA: p.dir.CA()}
	require.True(t, strings.HasPrefix(cfg.URL, "tls://"))
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := bus.Connect(ctx, cfg, natstest.Logger(t))
	require.ErrorIs(t, err, bus.ErrRefused, "no key")
	cfg.NKey = stranger.Seed(keys.Coordinator)
	_, err = bus.Connect(ctx, cfg, natstest.Logger(t))
	require.ErrorIs(t, err, bus.ErrRefused, "a key that is not in the list")
	seed, err2 := os.ReadFile(cfg.NKey)
	require.NoError(t, err2)
	require.NotContains(t, err.Error(), strings.TrimSpace(string(seed)))
	cfg.CA, cfg.NKey = stranger.CA(), p.dir.Seed(keys.CLI)
	_, err = bus.Connect(ctx, cfg, natstest.Logger(t))
	require.ErrorIs(t, err, bus.ErrUntrusted)
	require.ErrorContains(t, err, "MYRIAD_NATS_CA")
	cfg.CA = ""
	_, err = bus.Connect(ctx, cfg, natstest.Logger(t))
	require.ErrorIs(t, err, bus.ErrUntrusted, "the system's authorities did not sign it")
	cfg.CA = p.dir.CA()
	nc, err := bus.Connect(ctx, cfg, natstest.Logger(t))
	require.NoError(t, err)
	nc.Close()
}
