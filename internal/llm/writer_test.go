package llm

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func writeCall(w *RequestWriter, c Call) {
	w.Begin(c.Agent, c.Attempt)
	for _, m := range c.Messages {
		_ = append(w.Message(RoleUser), "taken back"...)
		w.Cancel()
		w.Content(append(w.Message(m.Role), m.Content...))
		if m.Parts != nil {
			w.Attach(m.Parts)
		}
	}
	w.End(c.Persona, c.Own)
}

func TestWriterWritesWhatEncodeDoes(t *testing.T) {
	var w RequestWriter
	rapid.Check(t, func(t *rapid.T) {
		want := requests.Draw(t, "request")
		drop := rapid.IntRange(0, len(want.Calls)).Draw(t, "dropped behind")
		w.Reset(want)
		for i, c := range want.Calls {
			if i == drop {
				writeCall(&w, Call{Agent: 7, Messages: []Message{{Role: RoleUser, Content: "taken back"}}})
				w.Drop()
			}
			writeCall(&w, c)
		}
		require.Equal(t, len(want.Calls), w.Calls())
		data, err := w.Bytes()
		require.NoError(t, err)
		require.Len(t, data, w.Size())
		got, err := DecodeRequest(data)
		require.NoError(t, err)
		short, err := EncodeRequest(want)
		require.NoError(t, err)
		again, err := DecodeRequest(short)
		require.NoError(t, err)
		require.Equal(t, again, got)
	})
}

func TestWriterRefusesWhatIsTooLarge(t *testing.T) {
	var w RequestWriter
	w.Reset(&Request{})
	for range MaxCalls + 1 {
		writeCall(&w, Call{})
	}
	_, err := w.Bytes()
	require.ErrorIs(t, err, ErrTooLarge)
	w.Drop()
	_, err = w.Bytes()
	require.NoError(t, err)

	w.Reset(&Request{})
	writeCall(&w, Call{Messages: []Message{{Role: RoleUser, Content: strings.Repeat("x", MaxBytes)}}})
	_, err = w.Bytes()
	require.ErrorIs(t, err, ErrTooLarge)
}

// BenchmarkWriter writes requests of MaxCalls calls with a prompt of a hundred bytes; figures are those of a call.
func BenchmarkWriter(b *testing.B) {
	var w RequestWriter
	head := &Request{Run: "run", Round: 1, System: strings.Repeat("s", 400)}
	text := strings.Repeat("x", 100)
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		if n%MaxCalls == 0 {
			w.Reset(head)
		}
		w.Begin(uint64(n), 0) //nolint:gosec // counts up
		w.Content(append(w.Message(RoleUser), text...))
		w.End(nil, nil)
	}
}
