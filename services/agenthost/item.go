package agenthost

import (
	"math"
	"strings"
	"unicode/utf8"

	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// item is the turn of one agent at one question that took more than a first reply: what came back so far. Few agents have
// one.
type item struct {
	agent   int
	purpose uint8  // of the call under way
	attempt uint32 // logical attempts made; keys the randomness of behavioural players
	asks    int    // times the question was asked again with an error
	calls   uint8
	retries uint8
	in, out uint32
	sha     uint64
	reply   string // last reply to the question
	served  string
	problem error  // why the last reply could not be read
	refused string // why a server would not take the last call; "": it took it

	shared      int32 // the agent whose call was made in place of the first, -1: none
	apportioned bool  // tokens are in part shares of a batch's
	all         []runlog.Attempt
}

// bytesOf is how much text an answer takes in the log, with the attempts behind it if there were several.
func bytesOf(reply string, attempts []runlog.Attempt) int {
	n := len(reply)
	for i := range attempts {
		n += len(attempts[i].Text)
	}
	return n
}

// took counts a call that was made.
func (it *item) took(retries uint8, in, out uint32) {
	it.calls = uint8(min(uint(it.calls)+1, math.MaxUint8))
	it.retries = uint8(min(uint(it.retries)+uint(retries), math.MaxUint8))
	it.in = uint32(min(uint64(it.in)+uint64(in), math.MaxUint32))
	it.out = uint32(min(uint64(it.out)+uint64(out), math.MaxUint32))
}

// completed notes a completion, of which text is as much as is read.
func (it *item) completed(purpose uint8, served, text string, cut, clipped bool) {
	it.all = append(it.all, runlog.Attempt{Kind: purpose, Number: it.attempt, Text: text, Cut: cut, Clipped: clipped})
	it.served = served
	it.attempt++
}

// rejected notes that a server would not take a call.
func (it *item) rejected(purpose uint8, why string) {
	it.refused = why
	it.all = append(it.all, runlog.Attempt{Kind: purpose, Number: it.attempt, Refused: why})
}

// attempts are the calls behind the answer, nil where that is one whose completion is the reply and says all there is.
func (it *item) attempts() []runlog.Attempt {
	if len(it.all) == 1 {
		if a := it.all[0]; a.Text == it.reply && !a.Cut && !a.Clipped && a.Refused == "" {
			return nil
		}
	}
	return it.all
}

// clip cuts a reply to the longest that is read: what is behind can never be part of an answer, and would fill memory,
// log and later prompts.
func clip(reply string) string {
	if len(reply) <= reading.MaxReply {
		return reply
	}
	end := reading.MaxReply
	for end > 0 && !utf8.RuneStart(reply[end]) {
		end--
	}
	return strings.Clone(reply[:end])
}
