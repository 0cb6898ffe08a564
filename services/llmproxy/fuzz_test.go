package llmproxy

import (
	"log/slog"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// FuzzPrepare gives arbitrary models and facts to every provider: they are refused or give a player, never a crash.
func FuzzPrepare(f *testing.F) {
	g := guessAverage(0.5, 0)
	facts := numberFacts(0, 100)
	facts.Game = &g
	for _, m := range []scenario.Model{
		{Name: "a", Provider: "levelk", Tau: "1.5"}, {Name: "a", Provider: "levelk", Tau: `persona.x == "y" ? 1 : 2`}, dummyModel,
		script("guess", "self.guess + world.target", 3), {Name: "a", Provider: "openai", Model: "m", Endpoints: []string{"http://localhost/v1"}},
	} {
		r := request(f, m, facts, 0)
		f.Add(r.Purpose, r.Model, r.Facts, "y", 4.5)
	}
	f.Fuzz(func(t *testing.T, purpose uint8, model, facts []byte, persona string, own float64) {
		svc, err := New(nil, slog.New(slog.DiscardHandler), fast(t))
		require.NoError(t, err)
		made, err := svc.players.find(purpose, string(model), string(facts))
		if err != nil {
			return
		}
		ask, body := call(t, llm.Call{Agent: 3, Persona: map[string]string{"x": persona}, Own: map[string]float64{"guess": own}})
		var text []byte
		switch p := made.player.(type) {
		case local:
			text, err = p.answer(nil, ask, body)
		case dummy:
			text, err = p.answer(nil, ask, body)
		case remote:
			require.NotEmpty(t, p.spec.Endpoints)
			return
		}
		require.True(t, err != nil || text != nil)
	})
}
