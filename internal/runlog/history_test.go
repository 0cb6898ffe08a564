package runlog

import (
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// act is what a record of a history means, kept beside its bytes. The model reads acts only and knows nothing of records.
type act struct {
	kind    string
	seq     uint64
	round   int
	epoch   uint64
	ranges  []Range  // lease
	answers *Answers // nil for a record that is damaged or out of place
}

// accepted is the definition of design section 8, word for word and as slow as that is: the first answer in stream order
// for (round, agent, question) whose epoch equals the shard's latest lease before it, between the round's (last) opening
// and upto. ok is false where there is none.
func accepted(acts []act, round, agent, question, shardSize int, upto uint64) (o one, seq uint64, ok bool) {
	opened := -1
	for i, a := range acts {
		if a.kind == subjects.KindOpened && a.round == round {
			opened = i
		}
	}
	for i := opened + 1; opened >= 0 && i < len(acts) && acts[i].seq <= upto; i++ {
		a := acts[i]
		if a.answers == nil || a.round != round || a.answers.Question != question {
			continue
		}
		var lease uint64
		for _, l := range acts[:i] {
			for _, r := range l.ranges {
				if shard := agent / shardSize; shard >= r.First && shard < r.End {
					lease = l.epoch
				}
			}
		}
		for at, who := range a.answers.Agents {
			if who == agent && lease != 0 && a.epoch == lease {
				return one{agent, a.answers.Status[at], a.answers.Values[at], a.answers.Text[at]}, a.seq, true
			}
		}
	}
	return one{}, 0, false
}

// history writes a random run, with all that can go wrong in one, and knows what its records mean.
type history struct {
	*rapid.T
	*book
	acts      []act
	questions int
	size      int // of shards
	say       func(round, agent, question, nonce int) one
	nonce     int
}

func newHistory(t *rapid.T, agents, questions int, say func(round, agent, question, nonce int) one) *history {
	h := &history{T: t, book: newBook(t), questions: questions, size: rapid.IntRange(1, agents).Draw(t, "shard size"), say: say}
	h.put(h.control(subjects.KindCreated, 0, 0, created(agents, questions, h.size)), act{})
	h.put(h.control(subjects.KindPopulated, 0, 0, Populated{Population: "p"}), act{})
	return h
}

func (h *history) put(e Entry, a act) {
	before := h.fold.FaultCount
	a.seq = e.Seq
	header := h.add(e)
	if a.answers != nil {
		require.Equal(h, before, h.fold.FaultCount, "a sound record is no fault: %v", h.fold.Faults)
	}
	if a.kind == "" {
		a.kind = header.Kind
	}
	h.acts = append(h.acts, a)
}

func (h *history) agents() int { return h.fold.Created.Agents }

// grant leases random shards to a random host.
func (h *history) grant(ranges ...Range) {
	if len(ranges) == 0 {
		first := rapid.IntRange(0, h.fold.Shards()-1).Draw(h.T, "first shard")
		ranges = []Range{{first, rapid.IntRange(first+1, h.fold.Shards()).Draw(h.T, "end shard")}}
	}
	host := rapid.SampledFrom([]string{"h1", "h2", "h3"}).Draw(h.T, "host")
	epoch := h.fold.Epoch + 1
	h.put(h.control(subjects.KindLease, h.fold.Round, epoch, Lease{Host: host, Incarnation: host, Ranges: ranges}), act{epoch: epoch, ranges: ranges})
}

func (h *history) openRound(round, attempt int) {
	h.put(h.control(subjects.KindOpened, round, 0, Opened{World: h.fold.World, Attempt: attempt}), act{round: round})
}

// write answers a question for some agents of one shard.
func (h *history) write(round int, epoch uint64, question int, agents []int) {
	h.nonce++
	var list []one
	for _, agent := range agents {
		list = append(list, h.say(round, agent, question, h.nonce))
	}
	a := chunkOf(question, agents[0]/h.size, list...)
	h.put(h.book.answers(round, epoch, a), act{round: round, epoch: epoch, answers: a})
}

// some draws agents of one shard, in order.
func (h *history) some(all []int) []int {
	shard := rapid.SampledFrom(all).Draw(h.T, "of the shard of") / h.size
	var out []int
	for _, a := range all {
		if a/h.size == shard && (len(out) == 0 || rapid.IntRange(0, 4).Draw(h.T, "take") > 0) {
			out = append(out, a)
		}
	}
	return out
}

func (h *history) everyone() []int {
	out := make([]int, h.agents())
	for i := range out {
		out[i] = i
	}
	return out
}

// disturb adds a record that has no business to be there, or changes owners.
func (h *history) disturb() {
	question := rapid.IntRange(0, h.questions-1).Draw(h.T, "question")
	agents := h.some(h.everyone())
	shard := agents[0] / h.size
	switch rapid.IntRange(0, 11).Draw(h.T, "disturbance") {
	case 0, 1: // an early answer, perhaps a stale owner's
		h.write(h.fold.Round, rapid.Uint64Range(0, h.fold.Epoch+1).Draw(h.T, "epoch"), question, agents)
	case 2, 3: // the present owner
		h.write(h.fold.Round, h.fold.Grants[shard].Epoch, question, agents)
	case 4: // a wrong round
		h.write(max(0, h.fold.Round+rapid.SampledFrom([]int{-1, 1}).Draw(h.T, "other round")), h.fold.Grants[shard].Epoch, question, agents)
	case 5: // a record twice
		i := rapid.IntRange(0, len(h.acts)-1).Draw(h.T, "twice")
		if h.acts[i].answers != nil {
			e := h.entries[i]
			h.put(h.entry(e.Subject, e.Data), h.acts[i])
		}
	case 6: // damage
		e := h.book.answers(h.fold.Round, h.fold.Grants[shard].Epoch, chunkOf(question, shard, h.say(h.fold.Round, agents[0], question, 0)))
		if rapid.Bool().Draw(h.T, "misplaced") {
			e.Subject = subjects.LogAnswer(h.fold.Run, shard+1)
		} else if at := rapid.IntRange(sumEnd, len(e.Data)-1).Draw(h.T, "at"); true {
			e.Data[at] ^= byte(rapid.IntRange(1, 255).Draw(h.T, "bits")) //nolint:gosec // a byte
		}
		h.put(e, act{kind: "damaged"})
	case 7:
		h.grant()
	case 8: // a control record out of order is refused, and nothing has happened
		kind := rapid.SampledFrom([]string{subjects.KindCreated, subjects.KindPopulated, subjects.KindFinished, subjects.KindLease}).Draw(h.T, "kind")
		before := h.fold.State
		_, err := h.fold.Apply(h.control(kind, h.fold.Round, h.fold.Epoch, kinds()[kind]))
		require.Error(h, err)
		require.Equal(h, before, h.fold.State)
	case 9:
		h.put(h.control(subjects.KindPaused, h.fold.Round, 0, Reason{Reason: "why not"}), act{})
		h.put(h.control(subjects.KindResumed, h.fold.Round, 0, Reason{}), act{})
	case 10:
		data, err := EncodeAsked(Header{Run: h.fold.Run, Round: h.fold.Round, Epoch: 1}, Asked{Question: question, Shard: shard, Agents: AskedRanges(agents)})
		require.NoError(h, err)
		h.put(h.entry(subjects.LogAsked(h.fold.Run, shard), data), act{})
	case 11:
		h.put(h.control(subjects.KindFault, h.fold.Round, 0, FaultNote{Who: "llmproxy", What: "silent"}), act{})
	}
}

// play plays a round to its end: disturbances, then what is missing, in any order, and checks the fold against the model.
func (h *history) play(disturbed bool) Closed {
	round := h.fold.Round + 1
	h.openRound(round, 0)
	for range rapid.IntRange(0, 12).Draw(h.T, "disturbances") {
		if disturbed {
			h.disturb()
		}
		if disturbed && rapid.IntRange(0, 15).Draw(h.T, "again") == 0 {
			h.openRound(round, h.fold.Opened.Attempt+1)
		}
	}
	for shard, g := range h.fold.Grants {
		if g.Epoch == 0 {
			h.grant(Range{shard, shard + 1})
		}
	}
	for h.fold.Left() > 0 {
		question := rapid.IntRange(0, h.questions-1).Draw(h.T, "question")
		var missing []int
		for agent, s := range h.fold.Columns()[question].Status {
			if s == stats.StatusNone {
				missing = append(missing, agent)
			}
		}
		if len(missing) > 0 {
			agents := h.some(missing)
			h.write(round, h.fold.Grants[agents[0]/h.size].Epoch, question, agents)
		}
		if disturbed && rapid.IntRange(0, 3).Draw(h.T, "disturb") == 0 {
			h.disturb()
		}
	}
	c, err := h.fold.Close()
	require.NoError(h, err)
	table, last := h.table(round, c.UptoSeq)
	require.Equal(h, last, c.UptoSeq, "closed at the last accepted answer")
	require.Equal(h, naiveRoot(round, table), c.Root)
	require.Equal(h, uint64(h.agents()*h.questions), c.Accepted)
	h.put(h.control(subjects.KindClosed, round, 0, c), act{round: round})
	h.write(round, h.fold.Grants[0].Epoch, 0, []int{0}) // too late
	for q, col := range h.fold.Columns() {
		for agent := range table {
			require.Equal(h, []any{table[agent][q].status, table[agent][q].value}, []any{col.Status[agent], col.Values[agent]})
		}
	}
	h.put(h.control(subjects.KindEnvState, round, 0, EnvState{World: map[string]float64{"mean": float64(round)}, Counted: c.Counted}), act{})
	return c
}

// table is what the model accepts of a round, by agent and question, and the last record it takes something from.
func (h *history) table(round int, upto uint64) (table [][]one, last uint64) {
	for agent := range h.agents() {
		var row []one
		for q := range h.questions {
			o, seq, ok := accepted(h.acts, round, agent, q, h.size, upto)
			require.True(h, ok, "the model has no answer of agent %d to question %d", agent, q)
			row, last = append(row, o), max(last, seq)
		}
		table = append(table, row)
	}
	return table, last
}
