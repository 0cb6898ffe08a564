package population

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"
)

// version covers everything that a stored population depends on: this format, the way of drawing, and the wording of
// names and backgrounds. Any change to one of them needs a new version, because a run must read the same when it is
// replayed.
const version = 1

const (
	magic      = "MYRP"
	versionEnd = len(magic) + 2
	sumEnd     = versionEnd + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode is the stored form of the population. See the package comment for the layout.
func (p *Population) Encode() []byte {
	size := sumEnd + 64
	for _, d := range p.spec.Distributions {
		size += 16 + len(d.Name) + p.spec.Size*width(len(d.Categories))
		for _, c := range d.Categories {
			size += 12 + len(c)
		}
	}
	b := make([]byte, 0, size)
	b = append(b, magic...)
	b = binary.LittleEndian.AppendUint16(b, version)
	b = append(b, 0, 0, 0, 0)
	b = appendSpecBody(b, p.spec)
	for i := range p.columns {
		b = p.columns[i].append(b)
	}
	binary.LittleEndian.PutUint32(b[versionEnd:], crc32.Checksum(b[sumEnd:], castagnoli))
	return b
}

// appendSpec appends what identifies a normal spec.
func appendSpec(b []byte, s Spec) []byte {
	return appendSpecBody(binary.LittleEndian.AppendUint16(b, version), s)
}

func appendSpecBody(b []byte, s Spec) []byte {
	b = binary.AppendUvarint(b, uint64(s.Size)) //nolint:gosec // sizes are positive
	b = binary.LittleEndian.AppendUint64(b, s.Seed)
	b = appendString(b, s.Generator)
	b = binary.AppendUvarint(b, uint64(len(s.Distributions)))
	for _, d := range s.Distributions {
		b = appendString(b, d.Name)
		b = binary.AppendUvarint(b, uint64(len(d.Categories)))
		for i, c := range d.Categories {
			b = appendString(b, c)
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(d.Proportions[i]))
		}
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Decode reads what Encode wrote and checks all of it, the exactness of the counts included. It keeps no part of data,
// and takes memory in proportion to its length. Errors: ErrVersion, ErrDamaged.
func Decode(data []byte) (*Population, error) {
	if len(data) < sumEnd || string(data[:len(magic)]) != magic {
		return nil, fmt.Errorf("%w: not an encoded population", ErrDamaged)
	}
	if v := binary.LittleEndian.Uint16(data[len(magic):]); v != version {
		return nil, fmt.Errorf("%w: %d, this binary knows %d", ErrVersion, v, version)
	}
	if crc32.Checksum(data[sumEnd:], castagnoli) != binary.LittleEndian.Uint32(data[versionEnd:]) {
		return nil, fmt.Errorf("%w: the checksum does not match", ErrDamaged)
	}
	r := reader{rest: data[sumEnd:]}
	s := r.spec()
	if r.bad {
		return nil, fmt.Errorf("%w: the spec is cut short or not in its shortest form", ErrDamaged)
	}
	if err := s.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	want := 0
	for _, d := range s.Distributions {
		want += s.Size * width(len(d.Categories))
	}
	// The columns are allocated only after this, so a small input cannot claim a large population.
	if len(r.rest) != want {
		return nil, fmt.Errorf("%w: %d bytes of columns, want %d", ErrDamaged, len(r.rest), want)
	}
	p := newPopulation(s)
	for i, d := range s.Distributions {
		n := s.Size * width(len(d.Categories))
		p.columns[i].read(r.rest[:n])
		r.rest = r.rest[n:]
		if !slices.Equal(p.columns[i].tally(len(d.Categories)), counts(d.Proportions, s.Size)) {
			return nil, fmt.Errorf("%w: the counts of %.40q are not those of its proportions", ErrDamaged, d.Name)
		}
	}
	return p, nil
}

// reader takes values off the front of rest. Once a value is not there, bad stays set and every further one is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) take(n uint64) []byte {
	if r.bad || n > uint64(len(r.rest)) {
		r.bad = true
		return nil
	}
	out := r.rest[:n]
	r.rest = r.rest[n:]
	return out
}

// uvarint refuses numbers that are longer than need be, so that equal specs have equal bytes.
func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || n > 1 && r.rest[n-1] == 0 {
		r.bad = true
		return 0
	}
	r.take(uint64(n))
	return v
}

func (r *reader) fixed64() uint64 {
	b := r.take(8)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

func (r *reader) text() string { return string(r.take(r.uvarint())) }

// spec reads a spec, which may still be invalid.
func (r *reader) spec() Spec {
	size := r.uvarint()
	s := Spec{Seed: r.fixed64(), Generator: r.text()}
	if size > MaxSize {
		r.bad = true
		return s
	}
	s.Size = int(size) //nolint:gosec // checked above
	for n := r.uvarint(); n > 0 && !r.bad; n-- {
		d := Dist{Name: r.text()}
		for k := r.uvarint(); k > 0 && !r.bad; k-- {
			d.Categories = append(d.Categories, r.text())
			d.Proportions = append(d.Proportions, math.Float64frombits(r.fixed64()))
		}
		s.Distributions = append(s.Distributions, d)
	}
	return s
}
