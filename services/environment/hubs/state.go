package hubs

import "github.com/myriad-sim/myriad/pkg/subjects"

// maxIDs is how many request ids of a hub are remembered: the newest.
const maxIDs = 64 << 10

// request is what makes a repeated request the same: ids are drawn by who asks, so two may draw the same.
type request struct {
	sender subjects.Address
	id     string
}

// span is records that follow each other without a gap: those of one request, which are appended at once.
type span struct {
	first uint64
	n     int
}

func (s span) seqs() []uint64 {
	out := make([]uint64, s.n)
	for i := range out {
		out[i] = s.first + uint64(i) //nolint:gosec // not negative
	}
	return out
}

// state is the fold of a hub's records. The zero state is that of a subject without any.
type state struct {
	last    uint64                      // sequence of the newest record
	created uint64                      // sequence of the record that created the hub; 0 if there is none
	in      map[subjects.Address]uint64 // participants, with the sequence at which they joined
	ids     map[request]span            // what was appended for a request id
	order   []request                   // keys of ids, oldest first
}

// apply folds the next record. One that was folded before is left out.
func (s *state) apply(r *record) {
	if r.seq <= s.last {
		return
	}
	s.last = r.seq
	if r.id != "" {
		s.remember(r)
	}
	if s.created == 0 {
		if r.kind == subjects.SaidCreated {
			s.created, s.in = r.seq, map[subjects.Address]uint64{}
		}
		return
	}
	switch r.kind {
	case subjects.SaidDeleted:
		s.created, s.in = 0, nil
	case subjects.SaidJoined:
		who := r.member()
		if _, is := s.in[who]; who != "" && !is {
			s.in[who] = r.seq
		}
	case subjects.SaidLeft:
		delete(s.in, r.member())
	}
}

func (s *state) remember(r *record) {
	key := request{r.sender, r.id}
	known, ok := s.ids[key]
	if ok {
		if r.seq == known.first+uint64(known.n) { //nolint:gosec // not negative
			known.n++
			s.ids[key] = known
		}
		return
	}
	if s.ids == nil {
		s.ids = map[request]span{}
	}
	s.ids[key] = span{r.seq, 1}
	if s.order = append(s.order, key); len(s.order) > maxIDs {
		delete(s.ids, s.order[0])
		s.order = s.order[1:]
	}
}
