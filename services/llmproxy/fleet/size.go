package fleet

// sizer finds the size of batches for an endpoint. At most a quarter of its places go to one batch, so that others keep
// the server busy while one waits for its last conversation. Below that it follows the conversations a second that the
// endpoint ends: larger batches cost less each, and hold places for longer that their quick conversations do not need.
type sizer struct {
	share  float64 // of a quarter of the places
	shrunk bool    // by the last step
	rate   float64 // before it
	rest   int     // looks until the next step down is tried
	past   int     // windows that still have batches of the size before
	sum    float64 // of the windows looked at
	n      int
}

const (
	leastShare = 1.0 / 16
	shareStep  = 1.4
	// Below that the work for a request is most of the work for a call, whatever a busy machine makes of the measurements.
	leastSize = 16
	// A smaller size must bring something; a larger one must only do no harm, because it is less work for both sides.
	brings = 1.04
	harms  = 0.97
	// A look is the mean of some windows, after those that still had batches of the size before.
	windowsPast = 3
	windowsLook = 4
	// restFor is how many looks a size that was found good is kept before a smaller one is tried again.
	restFor = 6
)

func (s *sizer) reset() { *s = sizer{share: 1} }

// of is the size for a number of places.
func (s *sizer) of(places, most int) int {
	quarter := places / 4
	return max(1, min(most, quarter, max(leastSize, int(float64(quarter)*s.share))))
}

// observe takes the conversations a second of a window in which the endpoint always had as many as it is given, and makes
// the next step when enough is known about the last.
func (s *sizer) observe(rate float64) {
	if s.past > 0 {
		s.past--
		return
	}
	s.sum += rate
	if s.n++; s.n < windowsLook {
		return
	}
	rate, last := s.sum/float64(s.n), s.rate
	s.sum, s.n, s.rate = 0, 0, rate
	switch {
	case s.shrunk && rate < brings*last: // the step is taken back
		s.grow()
		s.rest = restFor
	case s.shrunk, s.rest == 0 && (s.share == 1 || rate < harms*last):
		s.shrink()
	case s.rest == 0:
		s.grow()
	default:
		s.rest--
	}
}

func (s *sizer) shrink() {
	s.shrunk, s.past = true, windowsPast
	s.share = max(leastShare, s.share/shareStep)
}

func (s *sizer) grow() {
	s.shrunk, s.past = false, windowsPast
	if s.share = s.share * shareStep; s.share > 0.99 {
		s.share, s.rest = 1, restFor
	}
}
