package estimate

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(path, got, 0o644))
	}
	want, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

const mixed = `version: 1
name: mixed
seed: 3
rounds: 4
population:
  size: 1200
  distributions: [{name: job, categories: [{name: baker, proportion: 1/2}, {name: pilot, proportion: 1/2}]}]
models:
  large: {provider: openai, endpoints: ['http://localhost:1/v1', 'http://localhost:2/v1'], model: big-1, max_tokens: 200}
  small: {provider: openai, endpoints: ['http://localhost:3/v1'], model: tiny-1, max_tokens: 64, temperature: 0, share_identical: true}
  crowd: {provider: levelk, tau: 1.5}
game: {kind: guess-average, p: 2/3, low: 0, high: 100}
budget: {tokens: 5_000_000, money: 0.05, models: {small: {tokens: 200000}}}
agents:
  bakers: {model: large, count: 500, system: "You play a game with {{.size}} people. You are a {{.persona.job}}."}
  others: {model: small, count: 200, system: You play a game.}
  rest: {model: crowd, count: 500}
memory: {turns: 2}
turn:
  - {id: guess, ask: "Round {{.round}}: which number from 0 to 100?", answer: {type: number, min: 0, max: 100}}
stop: round > 2 && world.target < 1
update: {world: {target: 2/3 * mean(answers.guess)}}
`

func TestGolden(t *testing.T) {
	prices := priced(t, "currency: USD\nmodels:\n  \"big-*\": {input: 0.15, output: 0.60}\n  tiny-1: {input: 0.02, output: 0.04}\n")
	f, err := Make(t.Context(), load(t, mixed), Settings{BytesPerToken: 4, Repairs: 0.05, Sample: 32, Prices: prices, TokensPerSecond: 2500})
	require.NoError(t, err)
	show := func(color bool) []byte {
		var b bytes.Buffer
		require.NoError(t, f.Table(&b, color))
		return b.Bytes()
	}
	golden(t, "mixed.txt", show(false))
	golden(t, "mixed-color.txt", show(true))
	data, err := json.MarshalIndent(f, "", "  ")
	require.NoError(t, err)
	golden(t, "mixed.json", append(data, '\n'))

	alone := strings.NewReplacer("  large: {provider: openai, endpoints: ['http://localhost:1/v1', 'http://localhost:2/v1'], model: big-1, max_tokens: 200}\n", "",
		"  small: {provider: openai, endpoints: ['http://localhost:3/v1'], model: tiny-1, max_tokens: 64, temperature: 0, share_identical: true}\n", "",
		"model: large", "model: crowd", "model: small", "model: crowd", "budget: {tokens: 5_000_000, money: 0.05, models: {small: {tokens: 200000}}}\n", "").Replace(mixed)
	f, err = Make(t.Context(), load(t, alone), Settings{BytesPerToken: 4, Sample: 32})
	require.NoError(t, err)
	golden(t, "crowd.txt", show(false))
}

func TestWords(t *testing.T) {
	for seconds, want := range map[float64]string{0.25: "0.2 s", 59: "59 s", 61.5: "1 min 1 s", 7260: "2 h 1 min", 1e7: "2,777 hours"} {
		require.Equal(t, want, duration(seconds))
	}
	require.Equal(t, "1,234,567", Count(1234567))
	require.Equal(t, "123", Count(123))
	require.Equal(t, "1,000.01", Money(1_000_000_001))
	require.Equal(t, "0.01", Money(1))
	require.Equal(t, "-", percent(0, 0))
	require.Equal(t, "a b", clean("a\x1bb"))
}
