package engine_test

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/subjects"
	"github.com/myriad-sim/myriad/services/environment/engine"
	"github.com/myriad-sim/myriad/services/environment/engine/tree"
)

// whole is a picture of the tree that all records of the log give.
func whole(t testing.TB, srv *natstest.Server, run string) []byte {
	t.Helper()
	out := tree.New(run, environment.NewRegistry())
	err := runlog.Read(t.Context(), srv.JetStream(t), 0, []string{subjects.LogEnv(run, "w")}, func(e runlog.Entry) error {
		_, body, err := runlog.Decode(e.Data)
		require.NoError(t, err)
		r, err := tree.Unpack(body)
		require.NoError(t, err)
		return out.Apply(r, e.Seq)
	})
	require.NoError(t, err)
	picture, err := out.Picture().Pack()
	require.NoError(t, err)
	return picture
}

// saved waits until a checkpoint that covers more than a record is there, and returns what it covers.
func saved(t testing.TB, e *engine.Engine, run string, after uint64) (seq uint64) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		seq, err = engine.Checkpoints(e).Newest(t.Context(), subjects.LogEnv(run, "w"))
		return err == nil && seq > after
	}, 20*time.Second, 5*time.Millisecond)
	return seq
}

// Whoever comes back reads the checkpoint and what came after it, however long the log is, and has what the whole log says.
func TestComingBackReadsTheTail(t *testing.T) {
	srv := natstest.Start(t)
	first, _ := serve(t, srv, engine.Config{}, engine.PutAwayEach(20))
	w := world(t, srv, "r", "state", nil)
	for i := range 50 {
		_, err := w.Once(fmt.Sprint(i)).Incr(t.Context(), "n", 1)
		require.NoError(t, err)
	}
	saved(t, first, "r", 0)
	for range 5 {
		_, err := w.Incr(t.Context(), "n", 1)
		require.NoError(t, err)
	}
	second, _ := serve(t, srv, engine.Config{}, engine.PutAwayEach(20))
	picture, records := engine.Loaded(t, second, "r", "w")
	require.Equal(t, whole(t, srv, "r"), picture)
	require.Less(t, records, 40, "of more than 50")
	sum, err := w.Once("7").Incr(t.Context(), "n", 1)
	require.NoError(t, err)
	require.EqualValues(t, 8, sum, "what was done is not done again")
}

// A damaged checkpoint is never used: the one before is, or the whole log.
func TestDamagedCheckpoints(t *testing.T) {
	srv := natstest.Start(t)
	e, _ := serve(t, srv, engine.Config{}, engine.PutAwayEach(10))
	w := world(t, srv, "r", "state", nil)
	seq := uint64(0)
	for range 2 {
		for range 12 {
			_, err := w.Incr(t.Context(), "n", 1)
			require.NoError(t, err)
		}
		seq = saved(t, e, "r", seq)
	}
	_, good := engine.Loaded(t, e, "r", "w")
	js := srv.JetStream(t)
	files, err := js.ObjectStore(t.Context(), subjects.StoreFiles)
	require.NoError(t, err)
	list, err := files.List(t.Context())
	require.NoError(t, err)
	require.Len(t, list, 2)
	read, later := good, newest(list[0].Metadata["seq"], list[1].Metadata["seq"])
	for _, slot := range []int{later, 1 - later} {
		flip(t, js, list[slot].NUID)
		picture, records := engine.Loaded(t, e, "r", "w")
		require.Equal(t, whole(t, srv, "r"), picture)
		require.GreaterOrEqual(t, records, read)
		read = records
	}
	require.Equal(t, 25, read, "the whole log: one that creates, and 24")
}

func newest(a, b string) int {
	if len(a) > len(b) || len(a) == len(b) && a > b {
		return 0
	}
	return 1
}

// flip puts other bytes in the place of an object's.
func flip(t testing.TB, js jetstream.JetStream, nuid string) {
	t.Helper()
	subject := "$O." + subjects.StoreFiles + ".C." + nuid
	s, err := js.Stream(t.Context(), "OBJ_"+subjects.StoreFiles)
	require.NoError(t, err)
	m, err := s.GetMsg(t.Context(), 1, jetstream.WithGetMsgSubject(subject))
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSubject(subject)))
	m.Data[len(m.Data)/2] ^= 1
	_, err = js.Publish(t.Context(), subject, m.Data)
	require.NoError(t, err)
}

// Engines that put the tree away all the time, two at once, killed at any moment: nothing is lost or done twice, and who comes
// back from a checkpoint has what the whole log says.
func TestCheckpointsAndKills(t *testing.T) {
	t.Parallel() // it mostly waits
	srv := natstest.Start(t)
	var runs atomic.Int64
	begun := time.Now()
	rapid.Check(t, func(rt *rapid.T) {
		if time.Since(begun) > 3*time.Second {
			return // as many as there is time for
		}
		run := fmt.Sprint("run", runs.Add(1))
		each := rapid.IntRange(1, 5).Draw(rt, "each")
		engines := make([]*nats.Conn, 2)
		for i := range engines {
			_, engines[i] = serve(t, srv, engine.Config{ID: fmt.Sprint(run, i)}, engine.PutAwayEach(each), engine.NeverFollow)
		}
		client := environment.NewClient(srv.Connect(t), run)
		w := client.Env("w")
		require.NoError(rt, w.Create(t.Context(), "state", nil))
		require.NoError(rt, w.Listen(t.Context(), environment.Listener{Name: "odd", When: "state.n % 2 == 1", Hub: "none", Say: "{{state.n}}"}))
		calls := rapid.IntRange(5, 40).Draw(rt, "calls")
		killed := rapid.IntRange(1, calls).Draw(rt, "killed")
		var done atomic.Int64
		var callers sync.WaitGroup
		for c := range 2 {
			callers.Go(func() {
				for i := range calls {
					id := fmt.Sprintf("%d-%d", c, i)
					if _, err := w.Once(id).Incr(t.Context(), "n", 1); err != nil {
						t.Error(err)
						return
					}
					done.Add(1)
				}
			})
		}
		require.Eventually(rt, func() bool { return done.Load() >= int64(killed) || t.Failed() }, 20*time.Second, time.Millisecond)
		engines[0].Close()
		third, _ := serve(t, srv, engine.Config{ID: run + "c"}, engine.PutAwayEach(each), engine.NeverFollow)
		callers.Wait()
		var n int
		_, err := w.Get(t.Context(), "n", &n)
		require.NoError(rt, err)
		require.Equal(rt, 2*calls, n)
		engines[1].Close()
		picture, _ := engine.Loaded(t, third, run, "w")
		require.Equal(rt, whole(t, srv, run), picture)
	})
}

// A run that was removed leaves checkpoints of records that are no more, and they are not taken for the new one's.
func TestCheckpointsOfARemovedRun(t *testing.T) {
	srv := natstest.Start(t)
	e, _ := serve(t, srv, engine.Config{}, engine.PutAwayEach(3))
	w := world(t, srv, "r", "state", nil)
	for range 5 {
		_, err := w.Incr(t.Context(), "n", 1)
		require.NoError(t, err)
	}
	saved(t, e, "r", 0)
	s, err := srv.JetStream(t).Stream(t.Context(), subjects.StreamLog)
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context(), jetstream.WithPurgeSubject(subjects.LogAll("r"))))
	require.NoError(t, w.Create(t.Context(), "state", nil))
	other, _ := serve(t, srv, engine.Config{})
	picture, records := engine.Loaded(t, other, "r", "w")
	require.Equal(t, whole(t, srv, "r"), picture)
	require.Equal(t, 1, records)
}
