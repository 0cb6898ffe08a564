package template

import (
	"fmt"
	"strconv"

	"github.com/myriad-sim/myriad/internal/expression"
)

// Shared is what all agents see in a round. The maps must not be changed while a Bound made from it is in use.
type Shared struct {
	Vars            expression.Vars
	World, Previous map[string]float64 // the world state now and one round earlier; keys may be absent
	Round, Rounds   int                // the round, from 1, and how many there are at most
	Size            int                // number of agents
}

// Agent gives an agent's own values. Calls come from the goroutine that called Append and must not block. The methods that
// append return dst as it was where the agent has no such value.
type Agent interface {
	Number() int                                     // from 0
	Block() string                                   // name of the agent's block
	AppendPersona(dst []byte, name string) []byte    // an aspect named in Scope.Persona
	AppendLast(dst []byte, question string) []byte   // own answer of the round before
	AppendAnswer(dst []byte, question string) []byte // own answer to an earlier question of this round
}

// root is the group a name belongs to.
type root uint8

const (
	rootVars root = iota
	rootWorld
	rootPrevious
	rootRound
	rootRounds
	rootSize
	rootPersona // from here on an agent's own
	rootNumber
	rootBlock
	rootLast
	rootAnswers
)

// ref is one name of a text, resolved.
type ref struct {
	root root
	name string   // within the group
	full string   // as written, for messages
	all  []string // the whole group, by these names; nil: one value
}

func (r *ref) perAgent() bool { return r.root >= rootPersona }

// frame is what the look-ups of a text work on. Agent is nil while binding: no per-agent part is run then.
type frame struct {
	refs   []ref
	shared *Shared
	agent  Agent
}

// lookup is called by text/template wherever the source has a name.
func lookup(f *frame, i int) (any, error) {
	r := &f.refs[i]
	if r.all == nil {
		v, err := f.value(r.root, r.name)
		if err != nil {
			return nil, runError{fmt.Errorf("%s: %w", r.full, err)}
		}
		return v, nil
	}
	group := make(map[string]any, len(r.all))
	for _, name := range r.all {
		if v, err := f.value(r.root, name); err == nil {
			group[name] = v
		}
	}
	return group, nil
}

func (f *frame) value(r root, name string) (any, error) {
	switch r {
	case rootVars:
		v, ok := f.shared.Vars[name]
		if !ok {
			return nil, ErrNoValue
		}
		return plain(v), nil
	case rootWorld:
		return worldValue(f.shared.World, name)
	case rootPrevious:
		return worldValue(f.shared.Previous, name)
	case rootRound:
		return f.shared.Round, nil
	case rootRounds:
		return f.shared.Rounds, nil
	case rootSize:
		return f.shared.Size, nil
	case rootNumber:
		return f.agent.Number(), nil
	}
	return string(appendText(nil, f.agent, r, name)), nil
}

func worldValue(world map[string]float64, name string) (any, error) {
	v, ok := world[name]
	if !ok {
		return nil, ErrNoValue
	}
	return worldNumber(v), nil
}

// appendText appends an agent's own value that is a text.
func appendText(dst []byte, a Agent, r root, name string) []byte {
	switch r {
	case rootPersona:
		return a.AppendPersona(dst, name)
	case rootBlock:
		return append(dst, a.Block()...)
	case rootLast:
		return a.AppendLast(dst, name)
	case rootAnswers:
		return a.AppendAnswer(dst, name)
	}
	return dst
}

// appendOwn writes an agent's own value as text/template prints it.
func appendOwn(dst []byte, a Agent, r *ref) []byte {
	if r.root == rootNumber {
		return strconv.AppendInt(dst, int64(a.Number()), 10)
	}
	return appendText(dst, a, r.root, r.name)
}

// truth is what if makes of an agent's own value. What is appended to dst is taken off again: it is only room to look.
func truth(dst []byte, a Agent, r *ref) bool {
	if r.root == rootNumber {
		return a.Number() != 0
	}
	return len(appendText(dst, a, r.root, r.name)) > len(dst)
}
