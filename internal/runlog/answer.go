package runlog

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/stats"
)

// Limits of one answer record.
const (
	MaxChunk      = 1024       // agents
	MaxChunkBytes = 256 * 1024 // bytes of text, attempts counted, before a writer cuts; only a single answer may have more
)

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
	Calls     []uint8           // model calls behind the answer
	Retries   []uint8           // transport retries among them
	PromptSHA []uint64          // first 8 bytes, big endian, of the SHA-256 of the messages first sent
	Model     []string          // name of the model under the scenario's models:
	Served    []string          // model name as reported by the server
	Attempts  map[int][]Attempt // by position: every call, but for answers that took one call whose completion is Text as it came

	// Most chunks do without these, and are written without them where they say nothing.
	Shared      []int32        // the agent whose call was asked in this one's place, -1 for none; nil: no call was shared
	Apportioned []bool         // tokens are, wholly or in part, shares of a batch's total; nil: all are exact
	Reasons     map[int]string // by position: why a server refused the content of the call; at most MaxReason bytes, what is longer is cut
}

// Len is the number of answers.
func (a *Answers) Len() int { return len(a.Agents) }

// check refuses what cannot be encoded, before anything is written.
func (a *Answers) check() error {
	n := a.Len()
	if n > MaxChunk {
		return fmt.Errorf("%w: %d answers, a chunk holds %d", ErrTooLarge, n, MaxChunk)
	}
	for _, have := range [...]int{
		len(a.Status), len(a.Values), len(a.Text), len(a.TokensIn), len(a.TokensOut),
		len(a.Calls), len(a.Retries), len(a.PromptSHA), len(a.Model), len(a.Served),
	} {
		if have != n {
			return fmt.Errorf("runlog: a column of %d answers to %d agents", have, n)
		}
	}
	if a.Question < 0 || a.Shard < 0 {
		return fmt.Errorf("runlog: answers to question %d of shard %d", a.Question, a.Shard)
	}
	prev := -1
	for _, agent := range a.Agents {
		if agent <= prev {
			return fmt.Errorf("runlog: agents of a chunk are not ascending: %d after %d", agent, prev)
		}
		prev = agent
	}
	return a.checkSparse()
}

// EncodeAnswers returns the record of a chunk. Errors: ErrTooLarge, or columns that do not fit each other.
func EncodeAnswers(h Header, a *Answers) ([]byte, error) { return AppendAnswers(nil, h, a) }

// AppendAnswers appends the record of a chunk to dst and returns the extended buffer, or dst as it was with an error:
// those of EncodeAnswers. It allocates only where dst has no room, or an answer has attempts.
func AppendAnswers(dst []byte, h Header, a *Answers) ([]byte, error) {
	if err := a.check(); err != nil {
		return dst, err
	}
	h.Kind = KindAnswer
	size := 128 + 24*a.Len()
	for _, t := range a.Text {
		size += len(t)
	}
	for _, r := range a.Reasons {
		size += len(r)
	}
	out, err := appendHead(slices.Grow(dst, size), h)
	if err != nil {
		return dst, err
	}
	out, at := openBin(out)
	if out, err = a.appendBody(out); err != nil {
		return dst, err
	}
	closeBin(out, at)
	seal(out[len(dst):])
	return out, nil
}

// answersFields is the number of elements of the chunk's array, allAnswersFields with the columns that most do without.
const (
	answersFields    = 14
	allAnswersFields = answersFields + 3
)

// appendBody appends the chunk, which was checked, as a msgpack array of columns. Agents are stored as gaps, numbers as
// varints, texts as lengths and one block, names as runs.
func (a *Answers) appendBody(out []byte) ([]byte, error) {
	all := a.hasSparse()
	if all {
		out = append(out, 0xdc, 0, allAnswersFields, Version)
	} else {
		out = append(out, 0x90|answersFields, Version)
	}
	out = appendUint(out, uint64(a.Question)) //nolint:gosec // checked
	out = appendUint(out, uint64(a.Shard))    //nolint:gosec // checked
	out, at := openBin(out)
	prev := -1
	for _, agent := range a.Agents {
		out = appendUvarint(out, uint64(agent-prev-1)) //nolint:gosec // ascending
		prev = agent
	}
	closeBin(out, at)
	out, at = openBin(out)
	for _, s := range a.Status {
		out = append(out, byte(s))
	}
	closeBin(out, at)
	out, at = openBin(out)
	for _, v := range a.Values {
		out = binary.AppendVarint(out, v)
	}
	closeBin(out, at)
	out, at = openBin(out)
	for _, t := range a.Text {
		out = appendUvarint(out, uint64(len(t)))
	}
	closeBin(out, at)
	out, at = openBin(out)
	for _, t := range a.Text {
		out = append(out, t...)
	}
	closeBin(out, at)
	out, at = openBin(out)
	for i, in := range a.TokensIn {
		out = appendUvarint(out, uint64(in))
		out = appendUvarint(out, uint64(a.TokensOut[i]))
	}
	closeBin(out, at)
	out, at = openBin(out)
	out = append(append(out, a.Calls...), a.Retries...)
	closeBin(out, at)
	out, at = openBin(out)
	for _, s := range a.PromptSHA {
		out = binary.BigEndian.AppendUint64(out, s)
	}
	closeBin(out, at)
	out = appendRuns(out, a.Model)
	out = appendRuns(out, a.Served)
	out, err := a.appendAttempts(out)
	if all && err == nil {
		out = a.appendSparse(out)
	}
	return out, err
}

// attemptsOf is an element of the attempts column.
type attemptsOf struct {
	_msgpack struct{} `msgpack:",as_array"`
	At       int
	Attempts []Attempt
}

func (a *Answers) appendAttempts(out []byte) ([]byte, error) {
	if len(a.Attempts) == 0 {
		return appendBin(out, nil), nil
	}
	list := make([]attemptsOf, 0, len(a.Attempts))
	for at, attempts := range a.Attempts {
		if at < 0 || at >= a.Len() {
			return nil, fmt.Errorf("runlog: attempts of position %d in a chunk of %d", at, a.Len())
		}
		list = append(list, attemptsOf{At: at, Attempts: attempts})
	}
	slices.SortFunc(list, func(a, b attemptsOf) int { return a.At - b.At })
	raw, err := msgpack.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("runlog: encode attempts: %w", err)
	}
	return appendBin(out, raw), nil
}
