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
	"model", "served_model", "prompt_sha", "attempts", "tokens_in", "tokens_out", "shared_with", "tokens_exact", "note",
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
	SharedWith  int      // 1 + the agent whose call was asked in this one's place; 0: none
	Apportioned bool     // the tokens are shares of what a server reported for a batch, not exact
	Note        string   // why there is no answer, where a server refused the content of the call; else ""
	Personas    []uint16 // by persona column: the position of the agent's category in Persona.Categories
}

// Value is what was read from a reply. The zero Value is none.
type Value struct {
	kind     valueKind
	decimals uint8
	number   int64
	text     string
}

type valueKind uint8

const (
	noValue valueKind = iota
	numberValue
	textValue
)

// Number returns the value canonical / 10^decimals (see stats.Column), printed with exactly that many decimals: 0 to
// stats.MaxDecimals.
func Number(canonical int64, decimals int) Value {
	return Value{kind: numberValue, number: canonical, decimals: uint8(max(0, min(decimals, stats.MaxDecimals)))} //nolint:gosec // bounded
}

// Text returns the value of a choice (its label), a text, code, or a JSON or tagged answer.
func Text(s string) Value { return Value{kind: textValue, text: s} }

// appendDecimal appends canonical / 10^decimals as a plain decimal number.
func appendDecimal(dst []byte, canonical int64, decimals uint8) []byte {
	if decimals == 0 {
		return strconv.AppendInt(dst, canonical, 10)
	}
	size := uint64(canonical) //nolint:gosec // two's complement
	if canonical < 0 {
		dst = append(dst, '-')
		size = -size
	}
	scale := powers[decimals]
	dst = strconv.AppendUint(dst, size/scale, 10)
	dst = append(dst, '.')
	rest := size % scale
	var digits [stats.MaxDecimals]byte
	for i := int(decimals) - 1; i >= 0; i-- {
		digits[i] = byte('0' + rest%10)
		rest /= 10
	}
	return append(dst, digits[:decimals]...)
}

// powers of ten, by exponent.
var powers = [stats.MaxDecimals + 1]uint64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9}

// exactFloat is the largest whole number up to which every one is a float64.
const exactFloat = 1 << 53

// float is the number of a value as the float64 nearest to it.
func (v Value) float() float64 {
	if v.number >= -exactFloat && v.number <= exactFloat { // both are exact, so the quotient is rounded once
		return float64(v.number) / float64(powers[v.decimals])
	}
	f, _ := strconv.ParseFloat(string(appendDecimal(nil, v.number, v.decimals)), 64) // a plain decimal always parses
	return f
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
