package runlog

import (
	"fmt"

	"github.com/vmihailenco/msgpack/v5"
)

// Asked says that a host is about to ask some agents a question, of one shard or of several. It is appended before the
// asking, so asked minus accepted bounds the calls that were made more than once.
type Asked struct {
	_msgpack struct{} `msgpack:",as_array"`
	Question int
	Shard    int   // of the first agent; the record is on its subject
	Agents   []int // alternating: first agent of a range and its length; ranges ascend and may go on in later shards
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

// EncodeAsked returns the record of a.
func EncodeAsked(h Header, a Asked) ([]byte, error) {
	body, err := msgpack.Marshal(&a)
	if err != nil {
		return nil, fmt.Errorf("runlog: encode asked: %w", err)
	}
	h.Kind = KindAsked
	return Encode(h, body)
}

func (f *Fold) applyAsked(body []byte, shard int) error {
	if !f.answers || f.only != nil {
		return nil
	}
	var b Asked
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	if err := f.belongs(b.Question, b.Shard, shard); err != nil {
		return err
	}
	next, end := f.ShardAgents(shard) // the first range begins in the shard
	n, all := uint64(0), f.Created.Agents
	for i := 0; i < len(b.Agents); i += 2 {
		if i+1 == len(b.Agents) {
			return fmt.Errorf("%w: a range of asked agents without a length", ErrDamaged)
		}
		first, count := b.Agents[i], b.Agents[i+1]
		if first < next || first >= end || count < 1 || count > all-first {
			return fmt.Errorf("%w: asked %d agents from %d on; shard %d goes on at %d, and the run has %d agents", ErrDamaged, count, first, shard, next, all)
		}
		next, end = first+count, all
		n += uint64(count) //nolint:gosec // checked above
		f.progress.asked(&f.State, first, count)
	}
	f.Asked += n
	return nil
}
