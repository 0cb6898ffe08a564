package agenthost

import (
	"fmt"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// log appends the answers at positions of a batch, which ascend, and sends their agents on to the next question.
func (r *run) log(b *batch, positions []int) {
	s, a := b.shard, b.got
	if len(positions) < len(b.agents) {
		a = newColumns(len(positions))
		defer a.free()
		for to, from := range positions {
			a.copy(to, b.got, from)
		}
	}
	agents := make([]int, len(positions))
	for i, at := range positions {
		agents[i] = b.agents[at]
	}
	a.Question, a.Shard = b.question, s.index
	copy(a.Agents, agents)
	copy(a.Model, b.round.names[b.block])
	records, err := r.encode(b, &a.Answers)
	if err != nil {
		r.giveUp(err.Error())
	}
	if err != nil || !r.fresh(b) {
		r.release(s, b.block, agents)
		return
	}
	// Memory first: once the log has the last answer of a round, the next may open.
	s.mu.Lock()
	s.record(&a.Answers, upTo(len(agents)))
	s.mu.Unlock()
	for _, data := range records {
		r.svc.appender.append(subjects.LogAnswer(r.id, s.index), data)
	}
	if b.question+1 == len(r.scenario.Turn) {
		r.release(s, b.block, agents)
		return
	}
	r.send(newBatch(b.round, s, b.rounds, b.block, b.question+1, agents))
}

// ascending are the positions of a chunk.
var ascending = func() (out [runlog.MaxChunk]int) {
	for i := range out {
		out[i] = i
	}
	return out
}()

func upTo(n int) []int { return ascending[:n] }

// encode returns the records of answers, cut where their texts get long.
func (r *run) encode(b *batch, a *runlog.Answers) ([][]byte, error) {
	h := runlog.Header{Run: r.id, Round: b.round.number, Writer: r.svc.beat.Incarnation, Epoch: b.shard.epoch}
	most := int(r.svc.nc.MaxPayload())
	var out [][]byte
	for from, n := 0, a.Len(); from < n; {
		end, bytes := from, 0
		for end < n && (end == from || bytes+bytesOf(a.Text[end], a.Attempts[end]) <= runlog.MaxChunkBytes) {
			bytes += bytesOf(a.Text[end], a.Attempts[end])
			end++
		}
		chunk := a
		if from > 0 || end < n {
			part := cutAnswers(a, from, end)
			chunk = &part
		}
		data, err := runlog.EncodeAnswers(h, chunk)
		if err == nil && len(data) > most {
			err = fmt.Errorf("agenthost: an answer of agent %d takes %d bytes of the run log, the broker carries %d", a.Agents[from], len(data), most)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, data)
		from = end
	}
	return out, nil
}

// release ends the turns of agents of a block for now. Those that are not through are asked again when they may be.
func (r *run) release(s *shard, block int, agents []int) {
	unfinished := s.release(agents)
	n := int64(len(agents))
	r.lanes[block].inFlight.give(n)
	r.svc.flight.give(n)
	if unfinished {
		r.wake()
	}
}
