package runlog

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"os"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// oldHash is what the version that wrote the old log printed as its result hash.
const oldHash = "73a24e4f5ece14cc58fc6b0e106341bc32741d6836cdf4fa68522451171a6d17"

// oldLog are the records of a run of 40 agents and 3 rounds as the version before forks and checkpoints wrote them, one JSON
// object a line.
func oldLog(t *testing.T) (run string, entries []Entry) {
	f, err := os.Open("testdata/before-forks.jsonl.gz")
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	for d := json.NewDecoder(z); d.More(); {
		var e Entry
		require.NoError(t, d.Decode(&e))
		entries = append(entries, e)
	}
	at, err := subjects.ParseLog(entries[0].Subject)
	require.NoError(t, err)
	return at.Run, entries
}

// What an earlier version has written is read as it was meant, is verified, is gone on with, and can be forked.
func TestAnOldLog(t *testing.T) {
	run, entries := oldLog(t)
	read := func(f *Fold, entries []Entry) *Fold {
		for _, e := range entries {
			_, err := f.Apply(e)
			require.NoError(t, err)
		}
		return f
	}
	f := read(NewFold(run, WithAnswers()), entries)
	require.Equal(t, PhaseFinished, f.Phase)
	require.Equal(t, oldHash, hex.EncodeToString(f.Hash))
	require.Equal(t, []uint64{240, 240, 240, 0}, []uint64{f.Expected, f.Accepted, f.Asked, f.Duplicates})
	require.Zero(t, f.FaultCount, f.Faults)
	require.Equal(t, 3, f.Round)
	require.Equal(t, oldHash, hex.EncodeToString(read(NewFold(run), controlOf(entries)).Hash))
	same(t, f, continued(t, run, entries, WithAnswers()))

	var upto int // the second round and its world
	for i, e := range entries {
		if at, err := subjects.ParseLog(e.Subject); err == nil && at.Kind == subjects.KindEnvState {
			if h, _, err := Decode(e.Data); err == nil && h.Round == 2 {
				upto = i + 1
			}
		}
	}
	parent := read(NewFold(run), controlOf(entries[:upto]))
	of, err := parent.ForkAt(2)
	require.NoError(t, err)
	c := parent.Created
	c.Fork = &of
	data, err := Encode(Header{Kind: subjects.KindCreated, Run: "fork"}, c)
	require.NoError(t, err)
	last := Entry{Subject: subjects.LogCtl("fork", subjects.KindCreated), Seq: entries[len(entries)-1].Seq + 1, Data: data}
	fork := read(NewFold("fork", WithAnswers()), append(entries[:upto:upto], last))
	require.Equal(t, parent.Chain, fork.Chain)
	require.Equal(t, 2, fork.Inherited())
}

// A record of a version to come is refused, and the error names the version.
func TestALaterVersionIsRefusedByName(t *testing.T) {
	for stage, b := range staged(t) {
		for kind, body := range kinds() {
			e := b.control(kind, 1, 1, body)
			e.Data[1] = Version + 6
			before := bare(b.fold.State)
			_, err := b.fold.Apply(e)
			require.ErrorIs(t, err, ErrVersion, "%s at stage %d", kind, stage)
			require.ErrorContains(t, err, "unknown record version: 7, this binary knows 1")
			require.Equal(t, before, bare(b.fold.State))
		}
	}
	b := staged(t)[1]
	_, err := b.fold.Apply(b.control("eclipse", 1, 0, Reason{}))
	require.ErrorIs(t, err, ErrVersion)
	require.ErrorContains(t, err, `"eclipse"`)
}
