package runlog

import (
	"encoding/binary"
	"testing"

	"github.com/stretchr/testify/require"
)

// Numbers are read as the standard library reads them, of whatever length, and however little comes behind.
func FuzzUvarint(f *testing.F) {
	for bits := range 64 {
		f.Add(binary.AppendUvarint(nil, 1<<bits))
		f.Add(append(binary.AppendUvarint(nil, 1<<bits-1), "and more"...))
	}
	f.Add([]byte{0x80, 0x80, 0, 1, 2, 3, 4, 5, 6})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, buf []byte) {
		want, read := binary.Uvarint(buf)
		got, n := uvarint(buf)
		require.Equal(t, want, got)
		require.Equal(t, read, n)
	})
}
