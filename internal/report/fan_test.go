package report_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/myriad-sim/myriad/internal/report"
)

// fill hands on so many batches, which it changes after they were handed on.
func fill(batches int) func(func([]report.Row) error) error {
	rows, _ := played()
	return func(write func([]report.Row) error) error {
		for n := range batches {
			for i := range rows {
				rows[i].Agent = n*len(rows) + i
			}
			if err := write(rows); err != nil {
				return err
			}
		}
		return nil
	}
}

func TestFanWritesWhatOneWriterWrites(t *testing.T) {
	defer goleak.VerifyNone(t)
	_, personas := played()
	summary := guess(10, 1).Summary
	var writers []report.RowWriter
	var fanned, alone [3]bytes.Buffer
	for i, f := range report.Formats() {
		w, err := report.NewRowWriter(f, &fanned[i], summary, personas)
		require.NoError(t, err)
		writers = append(writers, w)
		w, err = report.NewRowWriter(f, &alone[i], summary, personas)
		require.NoError(t, err)
		require.NoError(t, fill(20)(w.Write))
		require.NoError(t, w.Close())
	}
	require.NoError(t, report.Fan(writers, fill(20)))
	for i := range alone {
		require.True(t, bytes.Equal(alone[i].Bytes(), fanned[i].Bytes()), report.Formats()[i])
		require.NotZero(t, alone[i].Len())
	}
}

func TestFanGivesUpWithTheFirstError(t *testing.T) {
	defer goleak.VerifyNone(t)
	_, personas := played()
	var kept bytes.Buffer
	err := report.Fan([]report.RowWriter{report.NewJSONL(&kept, personas), report.NewCSV(&broken{after: 100_000}, personas)}, fill(10_000))
	require.ErrorIs(t, err, errDisk)
	require.Less(t, kept.Len(), 10_000*100_000, "the other writer was stopped")

	late := &broken{after: 100}
	err = report.Fan([]report.RowWriter{report.NewCSV(late, nil)}, func(func([]report.Row) error) error { return nil })
	require.ErrorIs(t, err, errDisk, "the header is written at the end")

	enough := errors.New("enough")
	var given bytes.Buffer
	err = report.Fan([]report.RowWriter{report.NewCSV(io.Discard, personas), report.NewJSONL(&given, personas)}, func(write func([]report.Row) error) error {
		rows, _ := played()
		return errors.Join(write(rows[:1]), enough)
	})
	require.ErrorIs(t, err, enough)
	require.Zero(t, given.Len(), "a writer that is given up is not closed")
}
