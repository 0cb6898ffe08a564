package agenthost

import (
	"fmt"
	"slices"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// log appends the answers of items and sends their agents on to the next question.
func (r *run) log(b *batch, items []*item) {
	slices.SortFunc(items, func(a, c *item) int { return a.agent - c.agent })
	s, agents := b.shard, agentsOf(items)
	records, err := r.encode(b, items)
	if err != nil {
		r.giveUp(err.Error())
	}
	if err != nil || !r.fresh(b) {
		r.release(s, agents)
		return
	}
	// Memory first: once the log has the last answer of a round, the next may open.
	s.mu.Lock()
	for _, it := range items {
		s.record(b.question, it.agent, it.status, it.value, it.reply)
	}
	s.mu.Unlock()
	for _, data := range records {
		r.svc.appender.append(subjects.LogAnswer(r.id, s.index), data)
	}
	if b.question+1 == len(r.scenario.Turn) {
		r.release(s, agents)
		return
	}
	r.send(newBatch(b.round, s, b.block, b.question+1, agents))
}

func agentsOf(items []*item) []int {
	agents := make([]int, len(items))
	for i, it := range items {
		agents[i] = it.agent
	}
	return agents
}

// encode returns the records of answered items, cut where their texts get long.
func (r *run) encode(b *batch, items []*item) ([][]byte, error) {
	h := runlog.Header{Run: r.id, Round: b.round.number, Writer: r.svc.beat.Incarnation, Epoch: b.shard.epoch}
	most := int(r.svc.nc.MaxPayload())
	var out [][]byte
	for len(items) > 0 {
		n, bytes := 0, 0
		for n < len(items) && (n == 0 || bytes+items[n].bytes() <= runlog.MaxChunkBytes) {
			bytes += items[n].bytes()
			n++
		}
		data, err := runlog.EncodeAnswers(h, r.column(b, items[:n]))
		if err == nil && len(data) > most {
			err = fmt.Errorf("agenthost: an answer of agent %d takes %d bytes of the run log, the broker carries %d", items[0].agent, len(data), most)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, data)
		items = items[n:]
	}
	return out, nil
}

// column is the answers of items, one column a field.
func (r *run) column(b *batch, items []*item) *runlog.Answers {
	n := len(items)
	model := r.scenario.Blocks[b.block].Model
	small, wide := make([]uint8, 2*n), make([]uint32, 2*n)
	names := make([]string, 3*n)
	a := &runlog.Answers{
		Question: b.question, Shard: b.shard.index, Agents: agentsOf(items), Status: make([]stats.Status, n), Values: make([]int64, n),
		Text: names[:n], Model: names[n : 2*n], Served: names[2*n:], TokensIn: wide[:n], TokensOut: wide[n:], Calls: small[:n],
		Retries: small[n:], PromptSHA: make([]uint64, n),
	}
	for i, it := range items {
		a.Status[i], a.Values[i], a.Text[i] = it.status, it.value, it.reply
		a.TokensIn[i], a.TokensOut[i] = it.in, it.out
		a.Calls[i], a.Retries[i], a.PromptSHA[i] = it.calls, it.retries, it.sha
		a.Model[i], a.Served[i] = model, it.served
		if len(it.more) > 0 {
			if a.Attempts == nil {
				a.Attempts = map[int][]runlog.Attempt{}
			}
			a.Attempts[i] = slices.Concat([]runlog.Attempt{it.first}, it.more)
		}
	}
	return a
}

// release ends the turns of agents for now. One that is not through is asked again when it may be.
func (r *run) release(s *shard, agents []int) {
	unfinished := s.release(agents)
	r.svc.flight.Release(int64(len(agents)))
	r.svc.inFlight.Add(-int64(len(agents)))
	if unfinished {
		r.wake()
	}
}
