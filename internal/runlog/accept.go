package runlog

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Asked says that a host is about to ask some agents of a shard a question. It is appended before the asking, so asked
// minus accepted bounds the calls that were made more than once.
type Asked struct {
	_msgpack struct{} `msgpack:",as_array"`
	Question int
	Shard    int
	Agents   []int // alternating: first agent of a range and its length
}

// AskedRanges builds the Agents of an Asked from ascending agent numbers.
func AskedRanges(agents []int) []int {
	var out []int
	for _, a := range agents {
		if n := len(out); n > 0 && out[n-2]+out[n-1] == a {
			out[n-1]++
			continue
		}
		out = append(out, a, 1)
	}
	return out
}

func (f *Fold) applyAsked(body []byte) error {
	var b Asked
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	n := uint64(0)
	for i := 1; i < len(b.Agents); i += 2 {
		if b.Agents[i] < 0 || b.Agents[i] > f.Created.Agents {
			return fmt.Errorf("%w: asked %d agents", ErrDamaged, b.Agents[i])
		}
		n += uint64(b.Agents[i]) //nolint:gosec // checked above
	}
	f.Asked += n
	f.totals.Asked += n
	return nil
}

func (f *Fold) applyAnswers(h Header, body []byte, e Entry) error {
	if !f.answers {
		return nil
	}
	a, err := DecodeAnswers(body)
	if err != nil {
		return err
	}
	if a.Question >= len(f.Scenario.Turn) || a.Shard >= len(f.Grants) {
		return fmt.Errorf("%w: answers to question %d of shard %d", ErrDamaged, a.Question, a.Shard)
	}
	if f.only != nil && !f.only(a.Shard) {
		return nil
	}
	if first, end := f.ShardAgents(a.Shard); a.Len() > 0 && (a.Agents[0] < first || a.Agents[a.Len()-1] >= end) {
		return fmt.Errorf("%w: agents %d..%d do not belong to shard %d", ErrDamaged, a.Agents[0], a.Agents[a.Len()-1], a.Shard)
	}
	if f.Phase != PhaseOpen || h.Round != f.Round || h.Epoch != f.Grants[a.Shard].Epoch {
		f.duplicate(uint64(a.Len())) //nolint:gosec // a length
		return nil
	}
	for i, s := range a.Status {
		if s == stats.StatusNone || s > stats.Missing {
			return fmt.Errorf("%w: answer of agent %d has status %d", ErrDamaged, a.Agents[i], s)
		}
	}
	col, texts := f.columns[a.Question], f.texts[a.Question]
	positions := make([]int, 0, a.Len())
	for i, agent := range a.Agents {
		if col.Status[agent] != stats.StatusNone {
			f.duplicate(1)
			continue
		}
		col.Status[agent], col.Values[agent], texts[agent] = a.Status[i], a.Values[i], sumText(a.Text[i])
		positions = append(positions, i)
		f.totals.Calls += uint64(a.Calls[i])
		f.totals.Retries += uint64(a.Retries[i])
		f.totals.TokensIn += uint64(a.TokensIn[i])
		f.totals.TokensOut += uint64(a.TokensOut[i])
	}
	if len(positions) == 0 {
		return nil
	}
	f.left -= len(positions)
	f.totals.Accepted += uint64(len(positions))
	f.last = e.Seq
	if f.accept != nil {
		f.accept(h.Round, a, positions)
	}
	return nil
}

func (f *Fold) duplicate(n uint64) {
	f.Duplicates += n
	f.totals.Duplicates += n
}

// histogramBins is the number of bins of a number question's histogram.
const histogramBins = 50

// Close returns the closed record of the open round, which must be complete.
func (f *Fold) Close() (Closed, error) {
	if !f.answers || !f.Complete() {
		return Closed{}, fmt.Errorf("%w: round %d is not complete", ErrOrder, f.Round)
	}
	c := f.totals
	c.UptoSeq = f.last
	c.Root = digestRoot(f.Round, f.columns, f.texts)
	c.Chain = digestChain(f.Chain, c.Root)
	for i, q := range f.Scenario.Turn {
		c.Questions = append(c.Questions, f.outcome(q, f.columns[i]))
	}
	return c, nil
}

func (f *Fold) outcome(q scenario.Question, col *stats.Column) Question {
	out := Question{ID: q.ID}
	switch q.Answer.Type {
	case scenario.TypeNumber:
		out.Summary = col.Summarise()
		out.Lo, out.Hi = out.Summary.Min, out.Summary.Max
		env := expression.Env{Vars: f.Scenario.Vars, World: f.Opened.World, Previous: f.Opened.Previous, Round: f.Round, Size: f.Created.Agents}
		if b, err := bound(q.Answer.Min, env); err == nil {
			out.Lo = min(out.Lo, b)
		}
		if b, err := bound(q.Answer.Max, env); err == nil {
			out.Hi = max(out.Hi, b)
		}
		out.Counts = col.Histogram(histogramBins, out.Lo, out.Hi)
	case scenario.TypeLikert:
		out.Summary = col.Summarise()
		out.Lo, out.Hi = 1, float64(q.Answer.Points)
		out.Counts = countValues(col, 1, q.Answer.Points)
	case scenario.TypeChoice:
		out.Summary = col.Counts()
		out.Counts = countValues(col, 0, len(q.Answer.Choices))
	default:
		out.Summary = col.Counts()
	}
	return out
}

func bound(p *expression.Program, env expression.Env) (float64, error) {
	if p == nil {
		return 0, expression.ErrNotFinite
	}
	return p.Number(env)
}

func countValues(col *stats.Column, first, n int) []int {
	counts := make([]int, n)
	for i, s := range col.Status {
		if at := int(col.Values[i]) - first; s.Valid() && at >= 0 && at < n {
			counts[at]++
		}
	}
	return counts
}

// EncodeAnswers returns the record of a chunk.
func EncodeAnswers(h Header, a *Answers) ([]byte, error) {
	body, err := a.encode()
	if err != nil {
		return nil, err
	}
	h.Kind = KindAnswer
	return Encode(h, body)
}

// EncodeAsked returns the record of a.
func EncodeAsked(h Header, a Asked) ([]byte, error) {
	body, err := msgpack.Marshal(a)
	if err != nil {
		return nil, fmt.Errorf("runlog: encode asked: %w", err)
	}
	h.Kind = KindAsked
	return Encode(h, body)
}
