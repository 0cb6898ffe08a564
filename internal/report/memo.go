package report

// Most cells of a row are those of the row before, or of the row one turn before: who was asked what by which model. The
// text writers render such cells once, together, and copy them.

// memoSlots is a power of two: more than the questions of most turns.
const memoSlots = 32

// memo keeps the rendered cells of the keys seen last.
type memo[K comparable] struct {
	keys [memoSlots]K
	text [memoSlots][]byte // nil: nothing yet
}

// append appends the cells of key, which render appends if they are not at hand. hash spreads keys over the slots.
func (m *memo[K]) append(dst []byte, hash uint, key K, render func(dst []byte, key K) []byte) []byte {
	at := hash % memoSlots
	if m.text[at] == nil || m.keys[at] != key {
		m.keys[at] = key
		m.text[at] = render(m.text[at][:0], key)
	}
	return append(dst, m.text[at]...)
}

// The cells that go together, as they follow each other in a row.
type (
	turnCells struct {
		run, condition   string
		replicate, round int
	}
	askedCells struct {
		block, group, question string
		status                 string
	}
	modelCells struct{ model, served string }
)

func turnOf(r *Row) turnCells { return turnCells{r.Run, r.Condition, r.Replicate, r.Round} }

func askedOf(r *Row) askedCells {
	return askedCells{r.Block, r.Group, r.Question, r.Status.String()}
}

func modelOf(r *Row) modelCells { return modelCells{r.Model, r.ServedModel} }

// hash tells questions of a turn apart by their last letters.
func (a askedCells) hash() uint { return tail(a.question)*5 + tail(a.status) + tail(a.block)*3 }

func (m modelCells) hash() uint { return tail(m.model) + tail(m.served)*3 }

// tail makes a number of the length and the last two bytes of s.
func tail(s string) uint {
	n := uint(len(s))
	if n < 2 {
		return n
	}
	return n*7 + uint(s[n-1]) + uint(s[n-2])<<2
}
