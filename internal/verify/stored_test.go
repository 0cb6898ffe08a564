package verify_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/internal/verify"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// flip changes a bit in the nth record, from 1, on a subject in the file of the log.
func (a *archive) flip(subject string, n int) {
	a.Helper()
	paths, err := filepath.Glob(filepath.Join(a.srv.DataDir(), "nats/jetstream/$G/streams", subjects.StreamLog, "msgs/*.blk"))
	require.NoError(a, err)
	require.Len(a, paths, 1)
	data, err := os.ReadFile(paths[0])
	require.NoError(a, err)
	at := 0
	for range n {
		i := bytes.Index(data[at:], []byte(subject))
		require.GreaterOrEqual(a, i, 0)
		at += i + len(subject)
	}
	data[at+30] ^= 4
	require.NoError(a, os.WriteFile(paths[0], data, 0o600))
}

// The embedded server puts a note where a record was damaged on disk; the report has it in its place.
func TestNotesOfDamage(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		kind   string // of the record
		nth    int
		first  int // its number
		rounds int
		agents int // who may be affected
	}{
		"an answer":         {subjects.LogAnswer("r1", 1), 2, ofRound2(recAnswer2), 1, shardSize},
		"a control record":  {subjects.LogCtl("r1", subjects.KindEnvState), 1, recEnv1, 1, 0},
		"the first of them": {subjects.LogCtl("r1", subjects.KindCreated), 1, recCreated, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newArchive(t)
			w := a.played("r1", nil)
			a.played("r2", nil)
			a.srv.Kill(t)
			a.flip(c.kind, c.nth)
			a.srv.Restart(t)
			r := a.verify("r1")
			require.False(t, r.Intact)
			require.Equal(t, w.all[c.first], r.Damage[0].First)
			require.Equal(t, c.kind, r.Damage[0].Subject)
			require.Contains(t, r.Damage[0].What, "its bytes do not have the checksum it was stored with")
			require.EqualValues(t, 1, r.Damaged, "%v", r.Damage)
			require.Equal(t, c.rounds, r.Rounds)
			require.Equal(t, c.agents, r.Damage[0].Agents)
			require.True(t, a.verify("r2").Intact)
		})
	}
}

// plain serves the data of a stopped server without a look at it before.
func (a *archive) plain() jetstream.JetStream {
	a.Helper()
	ns, err := server.NewServer(&server.Options{
		JetStream: true, StoreDir: filepath.Join(a.srv.DataDir(), "nats"), DontListen: true, NoLog: true, NoSigs: true,
	})
	require.NoError(a, err)
	a.Cleanup(func() {
		ns.Shutdown()
		ns.WaitForShutdown()
	})
	ns.Start()
	require.True(a, ns.ReadyForConnections(10*time.Second))
	nc, err := nats.Connect("", nats.InProcessServer(ns))
	require.NoError(a, err)
	a.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	require.NoError(a, err)
	return js
}

// A server that does not look leaves a damaged record out and says nothing; it counts it all the same. What was found in the
// files meanwhile is told once.
func TestRecordsThatAreNotDelivered(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	w := a.played("r1", nil)
	a.played("r2", nil)
	a.srv.Kill(t)
	a.flip(subjects.LogMessage("r1", 0), 2)
	found, err := bus.Inspect(t.Context(), a.srv.DataDir())
	require.NoError(t, err)
	require.Len(t, found, 1)
	js := a.plain()
	for _, stored := range [][]damage.Note{nil, found} {
		var told []uint64
		r, err := verify.Run(t.Context(), js, "r1", verify.Options{Stored: stored, Progress: func(done, total uint64) { told = append(told, done, total) }})
		require.NoError(t, err)
		require.Equal(t, w.all[ofRound2(recMessage1)], r.Damage[0].First, "%v", r.Damage)
		require.Equal(t, subjects.LogMessage("r1", 0), r.Damage[0].Subject)
		require.EqualValues(t, 1, r.Damaged)
		require.EqualValues(t, len(w.all)-1, r.Records)
		if stored == nil {
			require.Contains(t, r.Damage[0].What, "the server counts 1 here that it cannot deliver")
		} else {
			require.Contains(t, r.Damage[0].What, "its bytes do not have the checksum")
		}
		r, err = verify.Run(t.Context(), js, "r2", verify.Options{Stored: stored})
		require.NoError(t, err)
		require.True(t, r.Intact, "%v", r.Damage)
	}
}

// Lost records of which nobody knows whose they were are damage to a run that was under way then, unless it is over and whole.
func TestLostRecordsOfNobodyKnowsWhom(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	over := a.played("over", nil)
	under := a.write("under")
	under.begin()
	lose := func(first, last uint64) {
		_, err := a.js.Publish(t.Context(), damage.Unplaced(), damage.Payload(damage.Note{Stream: subjects.StreamLog, First: first, Last: last, What: "gone"}))
		require.NoError(t, err)
	}
	lose(over.all[4], over.all[5])
	r := a.verify("over")
	require.True(t, r.Intact, "every round is whole")
	require.Contains(t, r.Remarks[0], "gone; it was under way then")
	require.True(t, a.verify("under").Intact, "it began later")

	lose(under.all[2], under.all[2]+1)
	r = a.verify("under")
	require.Equal(t, []uint64{under.all[2], under.all[2] + 1, 2}, []uint64{r.Damage[0].First, r.Damage[0].Last, r.Damaged})
	require.Contains(t, r.Damage[0].What, "whose they were is not known")
	require.True(t, a.verify("over").Intact)

	later := a.write("later")
	later.begin()
	require.True(t, a.verify("later").Intact)
}

// The people of a run are part of it.
func TestThePopulation(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	w := a.played("r1", nil)
	store, err := a.js.ObjectStore(t.Context(), subjects.StorePersonas)
	require.NoError(t, err)
	good, err := store.GetBytes(t.Context(), w.fold.Population)
	require.NoError(t, err)
	damaged := func() {
		t.Helper()
		r := a.verify("r1")
		require.Len(t, r.Damage, 1)
		require.Contains(t, r.Damage[0].String(), "a record: the population: ")
		require.Zero(t, r.People)
		require.Equal(t, 2, r.Rounds)
	}
	require.NoError(t, store.Delete(t.Context(), w.fold.Population))
	damaged()
	bad := bytes.Clone(good)
	bad[len(bad)-1] ^= 1
	_, err = store.PutBytes(t.Context(), w.fold.Population, bad)
	require.NoError(t, err)
	damaged()
	_, err = store.PutBytes(t.Context(), w.fold.Population, good)
	require.NoError(t, err)
	require.True(t, a.verify("r1").Intact)
}

// A report lists so many records and counts the others.
func TestLongReports(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	w := a.write("r1")
	w.begin()
	for range verify.MaxListed + 5 {
		_, err := a.js.Publish(t.Context(), subjects.LogMessage("r1", 0), []byte("junk"))
		require.NoError(t, err)
	}
	r := a.verify("r1")
	require.Len(t, r.Damage, verify.MaxListed)
	require.EqualValues(t, verify.MaxListed+5, r.Damaged)
}
