package llmproxy

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/rng"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// levelkProvider plays guess-average games by the cognitive hierarchy model. It is a behavioural player, not a language
// model: it reads the facts of the game and never the prompt.
type levelkProvider struct{}

// levelk is one model in one round.
type levelk struct {
	game  *game // nil: no game was declared for the question; only an interview gets that far
	facts *llm.Facts
	level rng.Key
	zero  rng.Key

	fixed *table // every player has the same tau
	tau   *expression.Program
	vars  expression.Vars

	mu     sync.Mutex
	tables map[float64]*table // by tau, where tau depends on the persona
}

// keepTables bounds the tables of a round; a tau computed from a number in the persona may have any number of values.
const keepTables = 4096

func (levelkProvider) prepare(m *scenario.Model, f *llm.Facts, purpose uint8) (player, error) {
	l := &levelk{
		facts: f, level: rng.NewKey(f.Seed, "levelk/level"), zero: rng.NewKey(f.Seed, "levelk/zero"),
		tables: map[float64]*table{},
	}
	if f.Game != nil {
		g, err := newGame(f.Game)
		if err != nil {
			return nil, err
		}
		l.game = &g
	} else if purpose != llm.PurposeInterview {
		return nil, fmt.Errorf("%w: question %q is not that of a game, and a levelk player plays nothing else", errFacts, f.Question)
	}
	if err := l.prepareTau(m.Tau); err != nil {
		return nil, err
	}
	if purpose == llm.PurposeInterview {
		return local{l.interview, l.fixed == nil}, nil
	}
	return local{l.answer, l.fixed == nil}, nil
}

func (l *levelk) prepareTau(src string) error {
	tau, err := strconv.ParseFloat(src, 64)
	if err != nil {
		l.vars = varsOf(l.facts)
		words := wordsOf(src)
		l.tau, err = expression.Compile(src, expression.Scope{Vars: l.vars, Persona: words}, expression.UsePersona)
		if err != nil {
			return fmt.Errorf("%w: tau: %w", errModel, err)
		}
		if l.tau.Reads("persona") {
			return nil
		}
		if tau, err = l.tau.Number(expression.Env{Vars: l.vars}); err != nil {
			return fmt.Errorf("%w: tau: %w", errModel, err)
		}
	}
	t, err := newTable(l.gameOrNone(), tau)
	if err != nil {
		return fmt.Errorf("%w: %w", errModel, err)
	}
	l.fixed = t
	return nil
}

// gameOrNone lets a level be told, which depends on tau only, where there is no game.
func (l *levelk) gameOrNone() game {
	if l.game == nil {
		return game{}
	}
	return *l.game
}

func (l *levelk) table(a llm.Ask, body llm.Body) (*table, error) {
	if l.fixed != nil {
		return l.fixed, nil
	}
	persona, _ := body.Attributes(a)
	tau, err := l.tau.Number(expression.Env{Vars: l.vars, Persona: persona})
	if err != nil {
		return nil, fmt.Errorf("tau: %w", err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	t, ok := l.tables[tau]
	if !ok {
		if t, err = newTable(l.gameOrNone(), tau); err != nil {
			return nil, err
		}
		if len(l.tables) >= keepTables {
			clear(l.tables)
		}
		l.tables[tau] = t
	}
	return t, nil
}

// levelOf is the player's level. The draw does not depend on round or attempt: a player keeps its level.
func (l *levelk) levelOf(t *table, a llm.Ask) int { return t.level(l.level.Float64(a.Agent, 0, 0, 0)) }

// number appends what a player of the level reports.
func (l *levelk) number(dst []byte, t *table, level int, a llm.Ask) []byte {
	if level > 0 {
		return append(dst, t.texts[level]...)
	}
	zero := l.game.zero(l.zero.Float64(a.Agent, uint32(l.facts.Round), a.Attempt, 0))
	return appendNumber(dst, zero, l.game.low, l.game.high)
}

func (l *levelk) answer(dst []byte, a llm.Ask, body llm.Body) ([]byte, error) {
	t, err := l.table(a, body)
	if err != nil {
		return dst, err
	}
	return l.number(dst, t, l.levelOf(t, a), a), nil
}

// interview tells whoever talks to a player what it is.
func (l *levelk) interview(dst []byte, a llm.Ask, body llm.Body) ([]byte, error) {
	dst = append(dst, "I am a level-k behavioural player, not a language model: I do not read what is said to me. "...)
	t, err := l.table(a, body)
	switch {
	case l.facts.Round == 0:
		return append(dst, "I was not told of the round, so I can name neither my level nor a number."...), nil
	case err != nil:
		return append(fmt.Appendf(dst, "My level cannot be told: %v", err), '.'), nil
	}
	level := l.levelOf(t, a)
	if l.game == nil {
		return fmt.Appendf(dst, "My level is %d; without a game I have no number to report.", level), nil
	}
	dst = fmt.Appendf(dst, "My level is %d, and the number I would report now is ", level)
	return append(l.number(dst, t, level, a), '.'), nil
}
