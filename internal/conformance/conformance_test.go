package conformance_test

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/conformance"
	"github.com/myriad-sim/myriad/internal/conformance/sample"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

// target is the agent "alice" of a host.
func target(host string) conformance.Target {
	return conformance.Target{Run: "r1", Address: subjects.CodeAddress(host, "alice")}
}

func withStatus(r conformance.Report, s conformance.Status) []string {
	out := []string{}
	for _, one := range r.Results {
		if one.Status == s {
			out = append(out, one.Check)
		}
	}
	return out
}

var (
	msgpackChecks = []string{"msgpack", "msgpack-list", "msgpack-longer", "msgpack-version", "msgpack-malformed"}
	promiseChecks = []string{"promise", "promise-error", "promise-lost"}
	callChecks    = []string{"call", "call-repeated", "call-unknown", "call-alive"}
)

// What an agent may leave out is skipped, and nothing fails.
func TestGoodAgents(t *testing.T) {
	server := natstest.Start(t)
	for d, c := range map[sample.Defect]struct {
		level   string
		skipped []string
	}{
		"":                {conformance.LevelFull, []string{}},
		sample.JSONOnly:   {conformance.LevelJSON, slices.Concat(msgpackChecks, promiseChecks)},
		sample.NoPromises: {conformance.LevelFull, promiseChecks},
		sample.NoCall:     {conformance.LevelFull, callChecks},
		sample.Stateless:  {conformance.LevelFull, []string{"request-id"}},
	} {
		t.Run(string(d), func(t *testing.T) {
			t.Parallel()
			nc := server.Connect(t)
			a, err := sample.Start(nc, "h "+string(d), "alice", d)
			require.NoError(t, err)
			defer a.Close()
			var o conformance.Options // the promise of the good agent takes as long as it does for users
			if d != "" {
				o = conformance.Quick(10 * time.Second)
			}
			r, err := conformance.Run(t.Context(), nc, target("h "+string(d)), o)
			require.NoError(t, err)
			for _, one := range r.Results {
				require.NotEqual(t, conformance.Failed, one.Status, "%+v", one)
			}
			require.Equal(t, c.level, r.Level)
			require.Equal(t, c.skipped, withStatus(r, conformance.Skipped))
			require.Len(t, r.Results, len(conformance.Checks()))
			require.Equal(t, "myriad.run.r1.code."+subjects.Encode("h "+string(d))+".alice", r.Subject)
		})
	}
}

// Every defect is found by the checks that are about it, and by no other.
func TestDefects(t *testing.T) {
	garbage := []string{"malformed", "msgpack-malformed"}
	all := map[sample.Defect][]string{
		sample.Mute:             {"reply", "alive"},
		sample.SilentOnGarbage:  {"version", "malformed", "unknown-encoding", "msgpack-version", "msgpack-malformed"},
		sample.DiesOnGarbage:    {"version", "alive"},
		sample.TakesGarbage:     {"version", "malformed", "msgpack-version", "msgpack-malformed"},
		sample.AnyVersion:       {"version"},
		sample.VersionUnnamed:   {"version", "msgpack-version"},
		sample.StrictFields:     {"unknown-fields"},
		sample.NineFields:       {"msgpack-longer"},
		sample.OneMessage:       {"list", "msgpack-list"},
		sample.NoneIsIgnored:    {"no-message"},
		sample.ASCII:            {"unicode"},
		sample.AlwaysMsgpack:    {"content-type"},
		sample.NoContentType:    {"content-type"},
		sample.NoErrorCode:      slices.Concat(garbage, []string{"version", "unknown-verb", "unknown-encoding", "deadline", "msgpack-version", "promise-error", "promise-lost", "call-unknown", "errors"}),
		sample.NoErrorText:      {"version", "msgpack-version", "errors"},
		sample.OwnErrorCode:     slices.Concat(garbage, []string{"version", "unknown-verb", "unknown-encoding", "deadline", "msgpack-version", "promise-error", "promise-lost", "call-unknown", "errors"}),
		sample.EmptyError:       {"errors"},
		sample.TraceOfInterview: {"interview"},
		sample.StateCounts:      {"state", "interview", "version", "unknown-verb", "deadline", "request-id", "msgpack-version"},
		sample.TwiceDone:        {"request-id", "request-id-at-once"},
		sample.TwiceAnswered:    {"request-id", "request-id-at-once"},
		sample.SlowIDs:          {"request-id-at-once"},
		sample.AllAtOnce:        {"order"},
		sample.AnyVerb:          {"unknown-verb"},
		sample.AnyType:          {"unknown-encoding"},
		sample.DropsLarge:       {"large"},
		sample.DiesOfNoInbox:    {"no-inbox", "alive"},
		sample.SkipsNoInbox:     {"no-inbox"},
		sample.IgnoresDeadline:  {"deadline"},
		sample.AnswersTwice:     {"one-reply"},
		sample.BlindToPromises:  {"promise"},
		sample.HastyHolder:      {"promise"},
		sample.PromiseFailed:    {"promise-error", "promise-lost"},
		sample.WaitsForTheLost:  {"promise-lost", "alive"},
		sample.NeverKeeps:       {"call", "call-repeated"},
		sample.KeepsOnce:        {"call"},
		sample.NewPromise:       {"call-repeated"},
		sample.SilentTasks:      {"call-unknown"},
		sample.NoBeats:          {"call-alive"},
		sample.OtherRun:         {"call"},
	}
	// Where silence is the defect it is waited for, elsewhere a machine that is busy does no harm.
	silent := []sample.Defect{
		sample.Mute, sample.SilentOnGarbage, sample.DiesOnGarbage, sample.NoneIsIgnored, sample.DropsLarge, sample.DiesOfNoInbox,
		sample.WaitsForTheLost, sample.NeverKeeps, sample.KeepsOnce, sample.SilentTasks,
	}
	// Several at a time, because most of the time is spent waiting for answers that do not come.
	server := natstest.Start(t)
	places := make(chan struct{}, 10)
	reports := map[sample.Defect]conformance.Report{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for d := range all {
		nc := server.Connect(t)
		wg.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			a, err := sample.Start(nc, string(d), "alice", d)
			if !assert.NoError(t, err) {
				return
			}
			defer a.Close()
			patience := 20 * time.Second
			if slices.Contains(silent, d) {
				patience = 2500 * time.Millisecond
			}
			r, err := conformance.Run(t.Context(), nc, target(string(d)), conformance.Quick(patience))
			assert.NoError(t, err)
			mu.Lock()
			defer mu.Unlock()
			reports[d] = r
		})
	}
	wg.Wait()
	for d, failed := range all {
		assert.ElementsMatch(t, failed, withStatus(reports[d], conformance.Failed), "%s: %+v", d, failures(reports[d]))
	}
}

// failures is what a report says about checks that failed.
func failures(r conformance.Report) string {
	var b strings.Builder
	for _, one := range r.Results {
		if one.Status == conformance.Failed {
			b.WriteString("\n" + one.Check + ": expected " + one.Expected + ", got " + one.Got)
		}
	}
	return b.String()
}

func TestParseTarget(t *testing.T) {
	alice := conformance.Target{Run: "r 1", Address: "code.js-1.a=2Eb"}
	for _, c := range []struct{ text, run string }{
		{"myriad.run.r=201.code.js-1.a=2Eb", ""}, {"myriad.run.r=201.code.js-1.a=2Eb.reply", "r 1"}, {"code.js-1.a=2Eb", "r 1"},
	} {
		got, err := conformance.ParseTarget(c.text, c.run)
		require.NoError(t, err)
		require.Equal(t, alice, got)
	}
	require.Equal(t, "myriad.run.r=201.code.js-1.a=2Eb.state", alice.Subject(subjects.VerbState))
	got, err := conformance.ParseTarget("myriad.run.r1.agent.0.7", "")
	require.NoError(t, err)
	require.Equal(t, conformance.Target{Run: "r1", Address: "agent.0.7"}, got)
	for _, c := range []struct{ text, run string }{
		{"code.js-1.alice", ""}, {"", ""}, {"alice", "r1"}, {"code.js-1.*", "r1"}, {"myriad.run.r1.code.js-1.alice", "r2"},
		{"myriad.run.r1.host.js-1.list", ""}, {"myriad.run.r1.code.js-1.alice.dance", ""},
	} {
		_, err := conformance.ParseTarget(c.text, c.run)
		require.ErrorIs(t, err, conformance.ErrTarget, c.text)
	}
}
