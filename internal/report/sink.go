package report

import (
	"fmt"
	"io"
)

// sinkBytes is how much a row writer gathers before it writes.
const sinkBytes = 64 << 10

// sink gathers text rows and passes them on in large writes. The first error sticks.
type sink struct {
	w        io.Writer
	personas [][][]byte // by column and category: the cell as it is written, with what stands before it
	buf      []byte
	err      error
}

// newSink has the cells of personas rendered once.
func newSink(w io.Writer, personas []Persona, cell func(name, category string) []byte) sink {
	s := sink{w: w, buf: make([]byte, 0, sinkBytes+sinkBytes/4)}
	for _, p := range personas {
		var cells [][]byte
		for _, c := range p.Categories {
			cells = append(cells, cell(p.Name, c.Name))
		}
		s.personas = append(s.personas, cells)
	}
	return s
}

// check says whether a row may be written.
func (s *sink) check(r *Row) error {
	if len(r.Personas) != len(s.personas) {
		return fmt.Errorf("%w: %d values, want %d", ErrPersonas, len(r.Personas), len(s.personas))
	}
	for i, c := range r.Personas {
		if int(c) >= len(s.personas[i]) {
			return fmt.Errorf("%w: column %d has %d categories, none at %d", ErrPersonas, i, len(s.personas[i]), c)
		}
	}
	return nil
}

// appendPersonas appends the persona cells of a row that was checked.
func (s *sink) appendPersonas(dst []byte, r *Row) []byte {
	for i, c := range r.Personas {
		dst = append(dst, s.personas[i][c]...)
	}
	return dst
}

// spill writes what was gathered once there is enough of it.
func (s *sink) spill(atLeast int) error {
	if len(s.buf) < atLeast || s.err != nil {
		return s.err
	}
	if _, err := s.w.Write(s.buf); err != nil {
		s.err = fmt.Errorf("report: write rows: %w", err)
	}
	s.buf = s.buf[:0]
	return s.err
}

// close writes the rest and refuses what comes after.
func (s *sink) close() error {
	if err := s.spill(1); err != nil {
		return err
	}
	s.err = ErrClosed
	return nil
}
