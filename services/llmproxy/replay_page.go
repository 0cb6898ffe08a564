package llmproxy

import (
	"slices"
	"strings"
	"unsafe"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// replayPage is what one answer record says of the completions behind those of its answers that counted, in as little
// memory as it takes. It is immutable.
type replayPage struct {
	agents   []int32 // ascending
	ends     []uint32
	text     string                   // of the replies, one after the other
	plain    []bool                   // who spoke was no language model; nil: none was such
	attempts map[int][]runlog.Attempt // by position, where the reply alone does not say it
	bytes    int64
}

// newPage takes the answers at positions, which ascend. plain tells of a model by its name whether it is no language model.
func newPage(a *runlog.Answers, positions []int, plain func(model string) bool) *replayPage {
	p := &replayPage{agents: make([]int32, 0, len(positions)), ends: make([]uint32, 0, len(positions))}
	size := 0
	for _, at := range positions {
		size += len(a.Text[at])
	}
	var text strings.Builder
	text.Grow(size)
	model, is := "", plain("")
	for i, at := range positions {
		text.WriteString(a.Text[at])
		p.agents = append(p.agents, int32(a.Agents[at])) //nolint:gosec // agents are fewer
		p.ends = append(p.ends, uint32(text.Len()))      //nolint:gosec // bounded by a record
		if a.Model[at] != model {
			model = a.Model[at]
			is = plain(model)
		}
		if is && p.plain == nil {
			p.plain = make([]bool, len(positions))
		}
		if is {
			p.plain[i] = true
		}
		if list := a.Attempts[at]; len(list) > 0 {
			if p.attempts == nil {
				p.attempts = map[int][]runlog.Attempt{}
			}
			p.attempts[i] = list
			for _, t := range list {
				p.bytes += int64(len(t.Text)+len(t.Refused)) + int64(unsafe.Sizeof(t))
			}
		}
	}
	p.text = text.String()
	p.bytes += int64(unsafe.Sizeof(*p)) + int64(len(p.text)+8*len(p.agents)+len(p.plain))
	return p
}

// said is what came back for a call.
type said struct {
	text    string
	cut     bool
	plain   bool
	refused string // why a server would not take the call; then nothing was said
}

// find looks a call up. base is the first attempt of the opening that counted, so that the attempts of every opening are
// those. False: no page has it.
func find(pages []*replayPage, a llm.Ask, base uint32, purpose uint8) (said, bool) {
	for _, p := range pages {
		if at, ok := p.place(a.Agent); ok {
			return p.said(at, a.Attempt%llm.AttemptsPerOpening, base, purpose)
		}
	}
	return said{}, false
}

// place is the position of an agent.
func (p *replayPage) place(agent uint64) (int, bool) {
	n := len(p.agents)
	if n == 0 || agent < uint64(p.agents[0]) || agent > uint64(p.agents[n-1]) { //nolint:gosec // not negative
		return 0, false
	}
	if at := int(agent) - int(p.agents[0]); at < n && p.agents[at] == int32(agent) { //nolint:gosec // nearly always all agents are there
		return at, true
	}
	return slices.BinarySearch(p.agents, int32(agent)) //nolint:gosec // in range, see above
}

func (p *replayPage) said(at int, attempt, base uint32, purpose uint8) (said, bool) {
	out := said{plain: p.plain != nil && p.plain[at]}
	list := p.attempts[at]
	if list == nil {
		from := uint32(0)
		if at > 0 {
			from = p.ends[at-1]
		}
		out.text = p.text[from:p.ends[at]]
		return out, attempt == 0 && purpose == llm.PurposeAnswer
	}
	for _, t := range list {
		if t.Number-base == attempt && t.Kind == purpose {
			out.text, out.cut, out.refused = t.Text, t.Cut, t.Refused
			if t.Clipped {
				out.text = lengthened(t.Text)
			}
			return out, true
		}
	}
	return out, false
}

// lengthened gives a reply that was clipped a length at which it is clipped to the same again: what is behind is one letter
// that does not fit.
func lengthened(text string) string {
	return text + "\xf0" + strings.Repeat("\x80", max(0, reading.MaxReply-len(text)))
}
