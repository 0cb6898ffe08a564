package llmproxy

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// provider makes players. Prepare is called by one goroutine at a time.
type provider interface {
	// prepare checks a model and the facts of a request; an error refuses the request. The player is kept and used for
	// every request with the same model, facts and purpose.
	prepare(m *scenario.Model, f *llm.Facts, purpose uint8) (player, error)
}

// player answers requests. It is safe for concurrent use.
type player interface {
	// play sees to it that every call of x gets its result, unless ctx ends first. It is called on a worker and does
	// not wait for anything.
	play(ctx context.Context, x *exchange)
	// reads reports whether it reads more of a call than its numbers. For one that does not, prompts are not kept.
	reads() bool
}

// prepared is a player with the metrics of its model.
type prepared struct {
	player player
	series *series
}

// keepPlayers bounds the players kept. A run needs one a model, question and purpose in each round.
const keepPlayers = 512

// players finds the player of a request, so that the requests of a round share what depends on the round only.
type players struct {
	providers map[string]provider
	metrics   *metrics

	mu    sync.Mutex
	known map[string]prepared
	key   []byte
}

// find takes purpose, model and facts as they are in the request. It keeps none of them.
func (p *players) find(purpose uint8, model, facts string) (prepared, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.key = append(p.key[:0], purpose)
	p.key = strconv.AppendInt(p.key, int64(len(model)), 10)
	p.key = append(p.key, ':')
	p.key = append(p.key, model...)
	p.key = append(p.key, facts...)
	if found, ok := p.known[string(p.key)]; ok {
		return found, nil
	}
	made, err := p.prepare(purpose, model, facts)
	if err != nil {
		return prepared{}, err
	}
	if len(p.known) >= keepPlayers {
		clear(p.known)
	}
	p.known[string(p.key)] = made
	return made, nil
}

func (p *players) prepare(purpose uint8, model, facts string) (prepared, error) {
	if purpose > llm.PurposeInterview {
		return prepared{}, fmt.Errorf("unknown purpose %d", purpose)
	}
	var m scenario.Model
	d := msgpack.NewDecoder(strings.NewReader(model))
	if err := d.Decode(&m); err != nil {
		return prepared{}, fmt.Errorf("%w: it does not decode", errModel)
	}
	prov, ok := p.providers[m.Provider]
	if !ok {
		return prepared{}, fmt.Errorf("%w %q of model %q", errProvider, m.Provider, m.Name)
	}
	f, err := llm.DecodeFacts([]byte(facts))
	if err != nil {
		return prepared{}, fmt.Errorf("%w: %w", errFacts, err)
	}
	pl, err := prov.prepare(&m, f, purpose)
	if err != nil {
		return prepared{}, fmt.Errorf("model %q: %w", m.Name, err)
	}
	return prepared{player: pl, series: p.metrics.series(m.Provider, m.Name)}, nil
}
