package population

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/crc32"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestEncodeDecode(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := genSpec(t)
		p := draw(t, s)
		data := p.Encode()
		again, err := Decode(data)
		require.NoError(t, err)
		require.Equal(t, data, again.Encode())
		require.Equal(t, s, again.Spec())
		require.Equal(t, p.columns, again.columns)
		clear(data)
		require.Equal(t, p.columns, again.columns, "nothing of the input is kept")
	})
}

func TestDamageIsNoticed(t *testing.T) {
	data := draw(t, people(50)).Encode()
	for i := range data {
		for _, flip := range []byte{1, 0x80} {
			data[i] ^= flip
			_, err := Decode(data)
			require.Error(t, err, "byte %d", i)
			data[i] ^= flip
		}
		_, err := Decode(data[:i])
		require.ErrorIs(t, err, ErrDamaged, "cut to %d", i)
	}
	_, err := Decode(append(data, 0))
	require.ErrorIs(t, err, ErrDamaged)
	data[len(magic)]++
	_, err = Decode(data)
	require.ErrorIs(t, err, ErrVersion)
	require.ErrorContains(t, err, "2, this binary knows 1")
}

// sealed makes bytes with a right checksum, which is all that a damaged writer would get right.
func sealed(body []byte) []byte {
	b := binary.LittleEndian.AppendUint16([]byte(magic), version)
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(body, castagnoli))
	return append(b, body...)
}

func TestCountsAreChecked(t *testing.T) {
	p := draw(t, people(50))
	for _, change := range []func(){
		func() { p.columns[5].narrow[0] ^= 1 },
		func() { p.columns[5].narrow[0] = 2 },
	} {
		change()
		_, err := Decode(p.Encode())
		require.ErrorIs(t, err, ErrDamaged)
		require.ErrorContains(t, err, "risk_attitude")
	}
}

func TestClaimsAreNotBelieved(t *testing.T) {
	head := binary.AppendUvarint(nil, MaxSize)
	head = appendString(append(head, 0, 0, 0, 0, 0, 0, 0, 0), GeneratorNone)
	one := appendString(binary.AppendUvarint(head, 1), "a")
	many := binary.AppendUvarint(one, 1<<62)
	category := appendString(binary.AppendUvarint(one, 1), "x")
	category = append(category, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f)
	for name, body := range map[string][]byte{
		"distributions": binary.AppendUvarint(head, 1<<62),
		"categories":    many,
		"agents":        category,
		"text":          binary.AppendUvarint(binary.AppendUvarint(head, 1), 1<<63),
	} {
		require.Less(t, testing.AllocsPerRun(1, func() {
			_, err := Decode(sealed(body))
			require.ErrorIs(t, err, ErrDamaged, name)
		}), 100.0)
	}
}

// Runs that were recorded must read the same when they are replayed: if this fails, raise version.
func TestVersionIsPinned(t *testing.T) {
	p := draw(t, people(2000))
	h := sha256.New()
	h.Write(p.Encode())
	for agent := range p.Size() {
		text, _ := p.AppendLookup(nil, agent, AttrBackground)
		h.Write(text)
	}
	require.Equal(t, 1, version)
	require.Equal(t, "294760ae3a32c099fe04041c307fcf8fcb8d93820e5ea62ffb806d6817dfc35f", p.Spec().Hash())
	require.Equal(t, "43d1897aff970deb0a9c09807bc66efc2afc3df3bf1913f593e070f725aa515b", hex.EncodeToString(h.Sum(nil)))
}

func FuzzDecode(f *testing.F) {
	for _, size := range []int{1, 3, 40} {
		f.Add(draw(f, people(size)).Encode()[sumEnd:])
	}
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, body []byte) {
		_, _ = Decode(body) // rarely gets past the checksum; sealed does
		data := sealed(body)
		p, err := Decode(data)
		if err != nil {
			return
		}
		require.Equal(t, data, p.Encode())
		for _, name := range p.Names() {
			_, ok := p.Lookup(p.Size()-1, name)
			require.True(t, ok)
		}
	})
}
