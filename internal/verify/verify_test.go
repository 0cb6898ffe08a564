package verify_test

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/verify"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestAnIntactRun(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	w := a.played("r1", nil)
	r := a.verify("r1")
	require.Empty(t, r.Damage)
	require.Empty(t, r.Remarks)
	require.True(t, r.Intact)
	require.Equal(t, "finished", r.State)
	require.EqualValues(t, len(w.all), r.Records)
	require.Equal(t, []int{2, 2, agents}, []int{r.Rounds, r.Before, r.People})
	require.EqualValues(t, 2*agents, r.Answers)
	require.Equal(t, hex.EncodeToString(w.fold.Hash), r.Hash)

	under := a.write("r2")
	under.begin()
	under.round()
	r = a.verify("r2")
	require.True(t, r.Intact)
	require.Equal(t, "running", r.State)
	require.Equal(t, 1, r.Rounds)

	_, err := verify.Run(t.Context(), a.js, "nobody", verify.Options{})
	require.ErrorIs(t, err, runlog.ErrNoRun)
}

// rewritten has the body of a control record say something else, under a good checksum.
func rewritten[T any](t *testing.T, change func(*T)) bend {
	return func(data []byte) []byte {
		h, body, err := runlog.Decode(data)
		require.NoError(t, err)
		var b T
		require.NoError(t, msgpack.Unmarshal(body, &b))
		change(&b)
		data, err = runlog.Encode(h, b)
		require.NoError(t, err)
		return data
	}
}

// Whatever is wrong with a run, the report names the record where that shows first, and counts no more as proven than what is
// before it.
func TestTheFirstDamageIsNamed(t *testing.T) {
	t.Parallel()
	closed := func(change func(*runlog.Closed)) bend { return rewritten(t, change) }
	one := func(record int, how bend) map[int]bend { return map[int]bend{record: how} }
	for name, c := range map[string]struct {
		wrong  map[int]bend
		first  int    // number of the record
		says   string // of it
		rounds int    // closed ones that are right
	}{
		"a checksum of the first record":   {one(recCreated, flipped), recCreated, "checksum", 0},
		"a checksum of a lease":            {one(recLease, flipped), recLease, "checksum", 0},
		"a checksum of an opened record":   {one(ofRound2(recOpened1), flipped), ofRound2(recOpened1), "checksum", 1},
		"a checksum of a closed record":    {one(ofRound2(recClosed1), flipped), ofRound2(recClosed1), "checksum", 1},
		"a checksum of a world":            {one(recEnv1, flipped), recEnv1, "checksum", 1},
		"a checksum of the end":            {one(recFinished, flipped), recFinished, "checksum", 2},
		"a checksum of a counted answer":   {one(ofRound2(recAnswer2), flipped), ofRound2(recAnswer2), "checksum", 1},
		"a checksum of a message":          {one(recMessage1, flipped), recMessage1, "checksum", 2},
		"bytes that are no record":         {one(recOpened1, func([]byte) []byte { return []byte("junk") }), recOpened1, "not a record envelope", 0},
		"a root":                           {one(ofRound2(recClosed1), closed(func(c *runlog.Closed) { c.Root[5] ^= 1 })), ofRound2(recClosed1), "chain of round 2", 1},
		"a chain":                          {one(ofRound2(recClosed1), closed(func(c *runlog.Closed) { c.Chain[5] ^= 1 })), ofRound2(recClosed1), "chain of round 2", 1},
		"a number of answers":              {one(ofRound2(recClosed1), closed(func(c *runlog.Closed) { c.Accepted-- })), ofRound2(recClosed1), "with 3 answers; the log has 4", 1},
		"an answer that is missing":        {one(ofRound2(recAnswer1), gone), ofRound2(recClosed1), "2 are missing", 1},
		"an opened record that is missing": {one(ofRound2(recOpened1), gone), ofRound2(recClosed1), "round 2 closed, round 1 is open", 1},
		"a closed record that is missing":  {one(recClosed1, gone), recEnv1, "world of round 1", 0},
		"a world that is missing":          {one(recEnv1, gone), ofRound2(recOpened1), "opened after round 1", 1},
		"a first record that is missing":   {one(recCreated, gone), recPopulated, "populated in a run", 0},
		"a root and a chain that agree": {one(recClosed1, closed(func(c *runlog.Closed) {
			c.Root[5] ^= 1
			sum := sha256.Sum256(c.Root) // the chain of a first round
			c.Chain = sum[:]
		})), recClosed1, "the closed record says", 0},
		"a wrong result hash": {one(recFinished, rewritten(t, func(r *runlog.Reason) { r.Hash[5] ^= 1 })), recFinished, "with result hash", 2},
		"a message of another kind": {one(recMessage1, func([]byte) []byte {
			data, err := runlog.Encode(runlog.Header{Kind: runlog.KindCode, Run: "r1"}, "x")
			require.NoError(t, err)
			return data
		}), recMessage1, "code record", 2},
		"a message of another run": {one(recMessage1, func([]byte) []byte {
			data, err := runlog.Encode(runlog.Header{Kind: runlog.KindMessage, Run: "r2"}, "x")
			require.NoError(t, err)
			return data
		}), recMessage1, `of run "r2"`, 2},
		"the first of several": {map[int]bend{recFinished: flipped, recMessage1: flipped}, recMessage1, "checksum", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := newArchive(t)
			w := a.played("r1", c.wrong)
			r := a.verify("r1")
			require.False(t, r.Intact)
			require.NotEmpty(t, r.Damage)
			require.Equal(t, w.all[c.first], r.Damage[0].First, "%v", r.Damage)
			require.Contains(t, r.Damage[0].What, c.says)
			require.Equal(t, c.rounds, r.Rounds)
			before := 0
			for i, round := range w.fold.Rounds[:c.rounds] {
				if round.EnvSeq < w.all[c.first] && c.wrong[recEnv1+i*perRound] == nil {
					before++
				}
			}
			require.Equal(t, before, r.Before)
			require.EqualValues(t, c.rounds*agents, r.Answers)
		})
	}
}

// A record that nobody ever counted is told of and is no damage.
func TestWhatNeverCounted(t *testing.T) {
	t.Parallel()
	a := newArchive(t)
	w := a.write("r1")
	w.begin()
	_, err := a.js.Publish(t.Context(), subjects.LogAnswer("r1", 0), []byte{0x98, 1, 2, 3})
	require.NoError(t, err)
	w.round()
	r := a.verify("r1")
	require.True(t, r.Intact, "%v", r.Damage)
	require.EqualValues(t, 1, r.Dropped)
	require.Len(t, r.Remarks, 1)
	require.Contains(t, r.Remarks[0], "not counted when it came either: run r1, record")
	require.Equal(t, 1, r.Rounds)
}

// A fork rests on the records that it has inherited, and on no later ones of its parent.
func TestForks(t *testing.T) {
	t.Parallel()
	parent := func(a *archive, wrong map[int]bend) (*writer, *writer) {
		p := a.write("parent")
		p.wrong = wrong
		p.begin()
		p.round()
		f := p.fork("child")
		f.round()
		f.finish()
		p.round()
		return p, f
	}
	t.Run("intact", func(t *testing.T) {
		t.Parallel()
		a := newArchive(t)
		_, f := parent(a, nil)
		r := a.verify("child")
		require.True(t, r.Intact, "%v", r.Damage)
		require.EqualValues(t, recEnv1+1+len(f.all), r.Records, "those of the parent up to the fork, and its own")
		require.Equal(t, []int{2, 2, agents}, []int{r.Rounds, r.Before, r.People})
		require.Equal(t, hex.EncodeToString(f.fold.Hash), r.Hash)
		require.True(t, a.verify("parent").Intact)
	})
	t.Run("after the fork", func(t *testing.T) {
		t.Parallel()
		a := newArchive(t)
		parent(a, map[int]bend{ofRound2(recOpened1): flipped})
		require.True(t, a.verify("child").Intact)
		require.False(t, a.verify("parent").Intact)
	})
	t.Run("in what is inherited", func(t *testing.T) {
		t.Parallel()
		a := newArchive(t)
		p, _ := parent(a, map[int]bend{recMessage1: flipped})
		for _, run := range []string{"parent", "child"} {
			r := a.verify(run)
			require.Len(t, r.Damage, 1)
			require.Equal(t, p.all[recMessage1], r.Damage[0].First)
			require.Zero(t, r.Before)
		}
	})
	t.Run("of a round that the parent has not", func(t *testing.T) {
		t.Parallel()
		a := newArchive(t)
		p := a.write("parent")
		p.begin()
		p.round()
		f := p.archive.write("child")
		f.wrong[0] = rewritten(t, func(c *runlog.Created) {
			c.Fork = &runlog.ForkOf{Run: "parent", Round: 1, Seq: p.all[recClosed1]}
		})
		f.begin()
		r := a.verify("child")
		require.Equal(t, f.all[0], r.Damage[0].First)
		require.Contains(t, r.Damage[0].What, "forked from run parent")
	})
}
