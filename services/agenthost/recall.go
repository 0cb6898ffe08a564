package agenthost

import (
	"math"
	"strconv"

	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// pastRound is what the agents of a shard answered in one round. Once the next round is open nobody writes to it.
type pastRound struct {
	round     *prompt.Round
	questions []answers
}

func newPastRound(bound *prompt.Round, questions []scenario.Question, n int) *pastRound {
	p := &pastRound{round: bound, questions: make([]answers, len(questions))}
	for q := range questions {
		p.questions[q] = answers{spec: &questions[q].Answer, marks: make([]uint8, n), values: make([]int64, n)}
	}
	return p
}

// answers are those to one question, by offset in the shard: a million agents' answers are in columns without a pointer, so
// that the garbage collector has nothing to look at. A reply that reads like its value is not kept a second time.
type answers struct {
	spec   *scenario.AnswerSpec
	marks  []uint8
	values []int64  // canonical
	places []uint64 // of the replies in texts: where they begin, and their length in the low bits; nil: none differs from its value
	texts  []byte
}

// Marks of an answer.
const (
	isThere uint8 = 1 << iota
	isValid
	isPlain // the reply reads like the value
)

const lengthBits = 24 // replies are far shorter, see clip

func (a *answers) set(off int, status stats.Status, value int64, reply string) {
	mark := isThere
	if status.Valid() {
		mark |= isValid
	}
	a.values[off] = value
	var buf [64]byte
	if status.Valid() && string(appendValue(buf[:0], a.spec, value)) == reply {
		mark |= isPlain
	} else if reply != "" {
		if a.places == nil {
			a.places = make([]uint64, len(a.marks))
		}
		a.places[off] = uint64(len(a.texts))<<lengthBits | uint64(len(reply))
		a.texts = append(a.texts, reply...)
	}
	a.marks[off] = mark
}

func (a *answers) there(off int) bool { return a.marks[off]&isThere != 0 }
func (a *answers) valid(off int) bool { return a.marks[off]&isValid != 0 }

// appendReply appends what the agent said.
func (a *answers) appendReply(dst []byte, off int) []byte {
	if a.marks[off]&isPlain != 0 {
		return appendValue(dst, a.spec, a.values[off])
	}
	if a.places == nil {
		return dst
	}
	from, length := a.places[off]>>lengthBits, a.places[off]&(1<<lengthBits-1)
	return append(dst, a.texts[from:from+length]...)
}

// appendText appends the answer as an agent's templates see it: the value of a valid one, else what was said.
func (a *answers) appendText(dst []byte, off int) []byte {
	if a.valid(off) && !a.spec.Textual() {
		return appendValue(dst, a.spec, a.values[off])
	}
	return a.appendReply(dst, off)
}

// fifteenDigits bounds the values whose digits are those of their float, written as short as it can be.
const fifteenDigits = 1e15

// appendValue appends a canonical value the way people write it. Texts and JSON have no value.
func appendValue(dst []byte, spec *scenario.AnswerSpec, value int64) []byte {
	switch spec.Type {
	case scenario.TypeNumber:
		if value > -fifteenDigits && value < fifteenDigits {
			return appendTrimmed(dst, value, spec.Decimals)
		}
		return strconv.AppendFloat(dst, stats.Float(value, spec.Decimals), 'f', -1, 64)
	case scenario.TypeLikert:
		return strconv.AppendInt(dst, value, 10)
	case scenario.TypeChoice:
		if value >= 0 && value < int64(len(spec.Choices)) {
			return append(dst, spec.Choices[value]...)
		}
	}
	return dst
}

// appendTrimmed appends value / 10^decimals without zeros at its end.
func appendTrimmed(dst []byte, value int64, decimals int) []byte {
	for decimals > 0 && value%10 == 0 {
		value /= 10
		decimals--
	}
	if decimals == 0 {
		return strconv.AppendInt(dst, value, 10)
	}
	unit := int64(math.Pow10(decimals))
	whole, part := value/unit, value%unit
	if value < 0 {
		dst = append(dst, '-')
		whole, part = -whole, -part
	}
	dst = strconv.AppendInt(dst, whole, 10)
	dst = append(dst, '.')
	at := len(dst)
	dst = strconv.AppendInt(dst, unit+part, 10) // with a one in front that keeps the zeros
	copy(dst[at:], dst[at+1:])
	return dst[:len(dst)-1]
}
