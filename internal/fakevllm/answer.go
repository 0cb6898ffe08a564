package fakevllm

import (
	"math"
	"strconv"

	"github.com/myriad-sim/myriad/internal/rng"
)

// dice are the draws of one answer. The same key and subject give the same answer.
type dice struct {
	key     rng.Key
	subject uint64
	n       uint32
}

func (d *dice) float() float64 {
	d.n++
	return d.key.Float64(d.subject, d.n, 0, 0)
}

func (d *dice) intN(n int) int {
	d.n++
	return d.key.IntN(n, d.subject, d.n, 0, 0)
}

// number draws from a range, more often from its middle, and rounds.
func (d *dice) number(low, high float64, decimals int) float64 {
	x := low + (high-low)*(d.float()+d.float())/2
	scale := math.Pow10(decimals)
	return max(low, min(high, math.Round(x*scale)/scale))
}

// appendAnswer writes what a conversation is answered in plain text.
func appendAnswer(b []byte, q question, d *dice, style Style, meanTokens int) []byte {
	if style == Plain || q.terse {
		return appendValue(b, q, d)
	}
	// The length is spread as the sum of two exponential draws: many answers are short, some very long.
	want := float64(meanTokens) / 2 * (-math.Log1p(-d.float()) - math.Log1p(-d.float()))
	from := len(b)
	for textTokens(len(b)-from) < int(want)-3 {
		if len(b) > from {
			b = append(b, ' ')
		}
		b = append(b, sentences[d.intN(len(sentences))]...)
	}
	if len(b) > from {
		b = append(b, '\n')
	}
	return appendValue(append(b, "Answer: "...), q, d)
}

func appendValue(b []byte, q question, d *dice) []byte {
	switch {
	case q.quoted != nil:
		return append(b, q.quoted...)
	case q.ranged:
		return strconv.AppendFloat(b, d.number(q.low, q.high, q.decimals), 'f', -1, 64)
	case len(q.choices) > 0:
		return append(b, q.choices[d.intN(len(q.choices))]...)
	}
	return append(b, remarks[d.intN(len(remarks))]...)
}

// sentences fill reasoned answers; none holds a number or a decision.
var sentences = [...]string{
	"Let me think about this step by step.",
	"People in my place see this in more than one way.",
	"Most of the others will look at what happened before and follow it.",
	"Some of them will think one step further than that.",
	"My own experience makes me careful here.",
	"I would rather not be at the far end of what people say.",
	"It is hard to know what everybody else expects.",
	"On the whole the middle seems safer than the edges.",
	"There are good reasons on both sides.",
	"Still, I have to settle on something.",
}

// remarks answer what is asked for neither a number nor a choice.
var remarks = [...]string{
	"It fits how I live and what I have seen so far.",
	"I am not sure, but it feels right to me.",
	"Because the people around me think much the same.",
	"It costs little and helps many.",
	"I would rather keep things as they are.",
	"I have changed my mind about it more than once.",
	"It depends on what the others do.",
	"That is what I was taught, and it has served me well.",
}
