package damage_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func note() damage.Note {
	return damage.Note{
		Stream: subjects.StreamLog, Block: "3.blk", Offset: 4711, First: 17, Last: 17, Subject: subjects.LogAnswer("r1", 2),
		What: "its bytes are gone", Found: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Copy: "/data/damaged/3.blk",
	}
}

func TestNotesComeBack(t *testing.T) {
	for _, n := range []damage.Note{note(), {}, {What: "ünïcode \x00 \"quoted\""}} {
		got, ok := damage.Read(damage.Payload(n))
		require.True(t, ok)
		require.Equal(t, n, got)
	}
}

// A note that cannot be encoded or read whole still says that something is lost.
func TestANoteIsNeverLost(t *testing.T) {
	n := note()
	n.Found = time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC) // has no form in JSON
	for _, payload := range [][]byte{damage.Payload(n), damage.Payload(note())[:40], damage.Payload(damage.Note{})[:5]} {
		got, ok := damage.Read(payload)
		require.True(t, ok)
		require.Equal(t, damage.Note{What: "it could not be read from disk"}, got)
	}
}

func TestNothingElseIsANote(t *testing.T) {
	record, err := runlog.Encode(runlog.Header{Kind: subjects.KindPaused, Run: "r1"}, runlog.Reason{Reason: "test"})
	require.NoError(t, err)
	for _, payload := range [][]byte{nil, {}, {0xc1}, []byte("\xc1DMG"), []byte("\xc1DMG{}"), []byte(`{"first":1}`), record} {
		n, ok := damage.Read(payload)
		require.False(t, ok, "%q", payload)
		require.Zero(t, n)
		require.False(t, damage.Is(payload))
	}
	_, _, err = runlog.Decode(damage.Payload(note()))
	require.ErrorIs(t, err, runlog.ErrLost)
}

// A note stands among the control records of its run; one of a record that nobody knows in no run's.
func TestPlaces(t *testing.T) {
	n := note()
	require.Equal(t, subjects.LogCtl("r1", subjects.KindDamaged), n.Place())
	for _, subject := range []string{"", "$O.myriad_files.C.x", "myriad.run.r1.log.answer.x", "myriad.run.*.log.answer.1"} {
		n.Subject = subject
		require.Equal(t, damage.Unplaced(), n.Place(), subject)
	}
	for _, run := range []string{"r1", "*", ">", "a.b", ""} {
		require.NotEqual(t, damage.Unplaced(), subjects.LogCtl(run, subjects.KindDamaged), run)
	}
}

func TestNotesInWords(t *testing.T) {
	n := note()
	require.Equal(t, "record 17 of MYRIAD_LOG: its bytes are gone (file 3.blk, byte 4711)", n.String())
	n.Last = 20
	require.Equal(t, "records 17 to 20 of MYRIAD_LOG: its bytes are gone (file 3.blk, byte 4711)", n.String())
	require.Equal(t, "gone", damage.Note{What: "gone"}.String())
}

func FuzzRead(f *testing.F) {
	f.Add(damage.Payload(note()))
	f.Add(damage.Payload(damage.Note{}))
	f.Add([]byte("\xc1DMG {\"first\":-1}"))
	f.Add([]byte("\x98\x01"))
	f.Fuzz(func(t *testing.T, payload []byte) {
		n, ok := damage.Read(payload)
		require.Equal(t, damage.Is(payload), ok)
		if !ok {
			require.Zero(t, n)
			return
		}
		_ = n.String()
		at, err := subjects.ParseLog(n.Place())
		if err == nil {
			require.Equal(t, subjects.KindDamaged, at.Kind)
		} else {
			require.Equal(t, damage.Unplaced(), n.Place())
		}
		again, ok := damage.Read(damage.Payload(n))
		require.True(t, ok)
		require.True(t, n.Found.Equal(again.Found))
		n.Found, again.Found = time.Time{}, time.Time{}
		require.Equal(t, n, again)
	})
}
