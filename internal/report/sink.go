package report

import (
	"fmt"
	"io"
)

// sinkBytes is how much a row writer gathers before it writes.
const sinkBytes = 64 << 10

// sink gathers rows and passes them on in large writes. The first error sticks.
type sink struct {
	w        io.Writer
	personas int
	buf      []byte
	err      error
}

func newSink(w io.Writer, personas int) sink {
	return sink{w: w, personas: personas, buf: make([]byte, 0, sinkBytes+sinkBytes/4)}
}

// check says whether a row may be written.
func (s *sink) check(personas int) error {
	if s.err != nil {
		return s.err
	}
	if personas != s.personas {
		return fmt.Errorf("%w: %d, want %d", ErrPersonas, personas, s.personas)
	}
	return nil
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
