package report

import (
	"encoding/binary"
	"encoding/hex"
	"strconv"

	"github.com/myriad-sim/myriad/internal/stats"
)

// PersonaPrefix starts the name of a persona column.
const PersonaPrefix = "persona_"

// columns are those of a row before the persona columns, in order.
var columns = [...]string{
	"run", "condition", "replicate", "round", "agent", "block", "group", "question", "status", "value", "raw",
	"model", "served_model", "prompt_sha", "attempts", "tokens_in", "tokens_out",
}

// Row is one published answer.
type Row struct {
	Run         string
	Condition   string // of a designed experiment; "" outside one
	Replicate   int    // counts from 1
	Round       int    // counts from 1
	Agent       int    // counts from 0
	Block       string // of the scenario's agents
	Group       string // "" without groups
	Question    string
	Status      stats.Status
	Value       Value
	Raw         string // the reply as the model gave it
	Model       string // name under the scenario's models
	ServedModel string // name the server reported
	PromptSHA   uint64 // first 8 bytes, big endian, of the SHA-256 of the first messages sent
	Attempts    int    // completions behind the answer
	TokensIn    int
	TokensOut   int
	Personas    []string // one value per persona column
}

// Value is what was read from a reply. The zero Value is none.
type Value struct {
	kind     valueKind
	number   int64
	decimals int
	text     string
}

type valueKind uint8

const (
	noValue valueKind = iota
	numberValue
	textValue
)

// Number returns the value canonical / 10^decimals (see stats.Column), printed with exactly that many decimals.
func Number(canonical int64, decimals int) Value {
	return Value{kind: numberValue, number: canonical, decimals: decimals}
}

// Text returns the value of a choice (its label), a text or a JSON answer.
func Text(s string) Value { return Value{kind: textValue, text: s} }

// appendDecimal appends canonical / 10^decimals as a plain decimal number.
func appendDecimal(dst []byte, canonical int64, decimals int) []byte {
	if decimals <= 0 {
		return strconv.AppendInt(dst, canonical, 10)
	}
	size := uint64(canonical) //nolint:gosec // two's complement
	if canonical < 0 {
		dst = append(dst, '-')
		size = -size
	}
	start := len(dst)
	dst = strconv.AppendUint(dst, size, 10)
	for len(dst)-start <= decimals {
		dst = append(dst, '0')
		copy(dst[start+1:], dst[start:])
		dst[start] = '0'
	}
	point := len(dst) - decimals
	dst = append(dst, 0)
	copy(dst[point+1:], dst[point:])
	dst[point] = '.'
	return dst
}

// appendSHA appends sixteen hexadecimal digits.
func appendSHA(dst []byte, sha uint64) []byte {
	var raw [8]byte
	binary.BigEndian.PutUint64(raw[:], sha)
	return hex.AppendEncode(dst, raw[:])
}

// String is the value as rows print it; "-" if there is none.
func (v Value) String() string {
	switch v.kind {
	case numberValue:
		return string(appendDecimal(nil, v.number, v.decimals))
	case textValue:
		return v.text
	}
	return "-"
}
