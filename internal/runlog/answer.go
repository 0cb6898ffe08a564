package runlog

import (
	"encoding/binary"
	"fmt"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/stats"
)

// Limits of one answer record.
const (
	MaxChunk      = 1024       // agents
	MaxChunkBytes = 256 * 1024 // bytes of text before a chunk is cut
)

// Attempt is one completion on the way to an answer that needed more than one, kept so that a run can be replayed.
type Attempt struct {
	Kind   uint8 // llm.Purpose...
	Number uint32
	Text   string
}

// Answers is a column-wise chunk of the answers of agents of one shard to one question. All columns have the length of
// Agents; Agents is strictly ascending.
type Answers struct {
	Question  int // position in the scenario's turn
	Shard     int
	Agents    []int
	Status    []stats.Status
	Values    []int64  // canonical, see stats.Column
	Text      []string // the reply the value was read from
	TokensIn  []uint32
	TokensOut []uint32
	Calls     []uint8  // model calls behind the answer
	Retries   []uint8  // transport retries among them
	PromptSHA []uint64 // first 8 bytes, big endian, of the SHA-256 of the messages first sent
	Model     []string // name of the model under the scenario's models:
	Served    []string // model name as reported by the server
	Attempts  map[int][]Attempt // by position: every completion, only for answers that took more than one
}

// Len is the number of answers.
func (a *Answers) Len() int { return len(a.Agents) }

// answersFields is the number of elements of the chunk's array.
const answersFields = 14

// encode appends the chunk as a msgpack array of columns. Agents are stored as gaps, numbers as varints, texts as
// lengths and one block, names as runs.
func (a *Answers) encode() ([]byte, error) {
	n := a.Len()
	var text int
	for _, t := range a.Text {
		text += len(t)
	}
	out := make([]byte, 0, 64+n*24+text)
	out = append(out, 0x90|answersFields, Version)
	out = appendUint(out, uint64(a.Question))
	out = appendUint(out, uint64(a.Shard))
	col := make([]byte, 0, n*4)
	prev := -1
	for _, agent := range a.Agents {
		if agent <= prev {
			return nil, fmt.Errorf("runlog: agents of a chunk are not ascending: %d after %d", agent, prev)
		}
		col = binary.AppendUvarint(col, uint64(agent-prev-1))
		prev = agent
	}
	out = appendBin(out, col)
	col = col[:0]
	for _, s := range a.Status {
		col = append(col, byte(s))
	}
	out = appendBin(out, col)
	col = col[:0]
	for _, v := range a.Values {
		col = binary.AppendVarint(col, v)
	}
	out = appendBin(out, col)
	col = col[:0]
	for _, t := range a.Text {
		col = binary.AppendUvarint(col, uint64(len(t)))
	}
	out = appendBin(out, col)
	out = appendBinLen(out, text)
	for _, t := range a.Text {
		out = append(out, t...)
	}
	col = col[:0]
	for i := range n {
		col = binary.AppendUvarint(col, uint64(a.TokensIn[i]))
		col = binary.AppendUvarint(col, uint64(a.TokensOut[i]))
	}
	out = appendBin(out, col)
	col = append(append(col[:0], a.Calls...), a.Retries...)
	out = appendBin(out, col)
	col = col[:0]
	for _, s := range a.PromptSHA {
		col = binary.BigEndian.AppendUint64(col, s)
	}
	out = appendBin(out, col)
	out = appendRuns(out, a.Model)
	out = appendRuns(out, a.Served)
	return a.appendAttempts(out)
}

func (a *Answers) appendAttempts(out []byte) ([]byte, error) {
	type entry struct {
		_msgpack struct{} `msgpack:",as_array"`
		At       int
		Attempts []Attempt
	}
	list := make([]entry, 0, len(a.Attempts))
	for i := range a.Len() {
		if at, ok := a.Attempts[i]; ok {
			list = append(list, entry{At: i, Attempts: at})
		}
	}
	raw, err := msgpack.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("runlog: encode attempts: %w", err)
	}
	return appendBin(out, raw), nil
}

// DecodeAnswers decodes the body of an answer record. It never returns a chunk whose columns differ in length.
func DecodeAnswers(body []byte) (*Answers, error) {
	d := columns{buf: body}
	if n := d.array(); n < answersFields {
		return nil, fmt.Errorf("%w: answer chunk of %d columns, want %d", ErrDamaged, n, answersFields)
	}
	if v := d.uint(); d.err == nil && v != Version {
		return nil, fmt.Errorf("%w: answer chunk version %d, this binary knows %d", ErrVersion, v, Version)
	}
	a := &Answers{Question: d.int(), Shard: d.int()}
	gaps := varints{buf: d.bin()}
	for next := 0; len(gaps.buf) > 0 && len(a.Agents) <= MaxChunk; {
		next += gaps.int()
		a.Agents = append(a.Agents, next)
		next++
	}
	n := len(a.Agents)
	if n > MaxChunk {
		return nil, fmt.Errorf("%w: more than %d agents in a chunk", ErrDamaged, MaxChunk)
	}
	status := d.bin()
	values := varints{buf: d.bin()}
	lens := varints{buf: d.bin()}
	text := string(d.bin())
	tokens := varints{buf: d.bin()}
	calls := d.bin()
	sha := d.bin()
	a.Model, a.Served = d.runs(n), d.runs(n)
	attempts := d.bin()
	if d.err == nil && (len(status) != n || len(calls) != 2*n || len(sha) != 8*n) {
		return nil, fmt.Errorf("%w: answer columns differ in length", ErrDamaged)
	}
	if d.err != nil {
		return nil, d.err
	}
	a.Status = make([]stats.Status, n)
	a.Values, a.Text = make([]int64, n), make([]string, n)
	a.TokensIn, a.TokensOut = make([]uint32, n), make([]uint32, n)
	a.Calls, a.Retries, a.PromptSHA = calls[:n:n], calls[n:], make([]uint64, n)
	for i := range n {
		a.Status[i] = stats.Status(status[i])
		a.Values[i] = values.signed()
		l := lens.int()
		if l > len(text) {
			return nil, fmt.Errorf("%w: text column too short", ErrDamaged)
		}
		a.Text[i], text = text[:l], text[l:]
		a.TokensIn[i], a.TokensOut[i] = uint32(tokens.uint()), uint32(tokens.uint())
		a.PromptSHA[i] = binary.BigEndian.Uint64(sha[8*i:])
	}
	for _, v := range []*varints{&gaps, &values, &lens, &tokens} {
		if v.bad || len(v.buf) > 0 {
			return nil, fmt.Errorf("%w: a number column does not fit its answers", ErrDamaged)
		}
	}
	return a, a.decodeAttempts(attempts)
}

func (a *Answers) decodeAttempts(raw []byte) error {
	var list []struct {
		_msgpack struct{} `msgpack:",as_array"`
		At       int
		Attempts []Attempt
	}
	if err := msgpack.Unmarshal(raw, &list); err != nil {
		return fmt.Errorf("%w: attempts: %w", ErrDamaged, err)
	}
	if len(list) > 0 {
		a.Attempts = make(map[int][]Attempt, len(list))
	}
	for _, e := range list {
		if e.At < 0 || e.At >= a.Len() {
			return fmt.Errorf("%w: attempts of position %d", ErrDamaged, e.At)
		}
		a.Attempts[e.At] = e.Attempts
	}
	return nil
}
