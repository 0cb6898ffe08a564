package scenario_test

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

func TestOverrides(t *testing.T) {
	o := scenario.Overrides{
		Agents: new(100), Rounds: new(9), Seed: new(uint64(1 << 63)),
		Set: map[string]string{
			"vars.ratio": "1/2", "models.player.temperature": "0.5", "models.robot.latency": "2s",
			"population.background.generator": "none", "agents.first.system": "{{.vars.ratio}}: [x]", "missing.min_valid": "1/4",
			"models.server.endpoints": "[http://a/v1, http://b/v1]", "description": "5",
		},
		Models: map[string]string{"player": "openai:http://localhost:8000/v1:Qwen/Qwen2-7B-Instruct"},
	}
	check := func(o scenario.Overrides) string {
		s := load(t, base, o)
		require.Equal(t, 100, s.Population.Size)
		require.Equal(t, []int{75, 25}, []int{s.Blocks[0].Count, s.Blocks[1].Count})
		require.Equal(t, 9, s.Rounds)
		require.Equal(t, uint64(1<<63), s.Seed)
		require.Equal(t, "1/2", s.Vars["ratio"].String())
		require.Equal(t, "none", s.Population.Generator)
		require.Equal(t, "{{.vars.ratio}}: [x]", s.Blocks[0].System.Source())
		require.Equal(t, 0.25, s.Missing.MinValid)
		require.Equal(t, "5", s.Description)
		m := s.Model("player")
		require.Equal(t, "openai", m.Provider)
		require.Equal(t, []string{"http://localhost:8000/v1"}, m.Endpoints)
		require.Equal(t, "Qwen/Qwen2-7B-Instruct", m.Model)
		require.Equal(t, 0.5, *m.Temperature)
		require.Empty(t, m.Tau)
		require.Equal(t, []string{"http://a/v1", "http://b/v1"}, s.Model("server").Endpoints)
		return s.Hash()
	}
	want := check(o)

	// A recorded run is loaded again from what was recorded, by any service.
	packed, err := msgpack.Marshal(o)
	require.NoError(t, err)
	var unpacked scenario.Overrides
	require.NoError(t, msgpack.Unmarshal(packed, &unpacked))
	require.Equal(t, want, check(unpacked))
	asJSON, err := json.Marshal(o)
	require.NoError(t, err)
	unpacked = scenario.Overrides{}
	require.NoError(t, json.Unmarshal(asJSON, &unpacked))
	require.Equal(t, want, check(unpacked))

	require.Equal(t, load(t, edit(t, "seed: 7", "seed: 8"), scenario.Overrides{}).Hash(),
		load(t, base, scenario.Overrides{Seed: new(uint64(8))}).Hash(), "an override is as good as an edit")
}

func TestOverrideModel(t *testing.T) {
	for value, want := range map[string]scenario.Model{
		"openai:http://localhost:8000/v1:Qwen/Qwen2-7B":      {Provider: "openai", Endpoints: []string{"http://localhost:8000/v1"}, Model: "Qwen/Qwen2-7B"},
		"openai:https://api.example.org/v1:gpt-4o":           {Provider: "openai", Endpoints: []string{"https://api.example.org/v1"}, Model: "gpt-4o"},
		"openai:http://localhost:11434/v1:llama3:8b":         {Provider: "openai", Endpoints: []string{"http://localhost:11434/v1"}, Model: "llama3:8b"},
		"openai:http://[::1]:8000/v1:m":                      {Provider: "openai", Endpoints: []string{"http://[::1]:8000/v1"}, Model: "m"},
		"openai:http://host:8000:m":                          {Provider: "openai", Endpoints: []string{"http://host:8000"}, Model: "m"},
		"openai:http://host:7b":                              {Provider: "openai", Endpoints: []string{"http://host"}, Model: "7b"},
		"openai:http://host/v1:org/model:tag/x":              {Provider: "openai", Endpoints: []string{"http://host/v1"}, Model: "org/model:tag/x"},
		"dummy:250ms":                                        {Provider: "dummy", Latency: 250e6},
		"replay:past-k7q2m4xa":                               {Provider: "replay", Run: "past-k7q2m4xa"},
		"agent:js-1/alice/2":                                 {Provider: "agent", Host: "js-1", Agent: "alice/2"},
		`levelk:persona.education == "Ph.D." ? 2 : vars.low`: {Provider: "levelk", Tau: `persona.education == "Ph.D." ? 2 : vars.low`},
	} {
		s := load(t, base, scenario.Overrides{Models: map[string]string{"player": value}})
		want.Name = "player"
		require.Equal(t, &want, s.Model("player"), value)
	}
	s := load(t, base, scenario.Overrides{Models: map[string]string{"server": "openai:http://b/v1:other"}})
	require.Equal(t, 1.0, *s.Model("server").Temperature, "settings for the same provider stay")
	require.Equal(t, "other", s.Model("server").Model)
}

const wantModel = "want openai:URL:MODEL, levelk:TAU, dummy:LATENCY, agent:HOST/AGENT or replay:RUN, such as openai:http://localhost:8000/v1:Qwen/Qwen2-7B-Instruct"

func TestOverrideErrors(t *testing.T) {
	set := func(path, value string) scenario.Overrides {
		return scenario.Overrides{Set: map[string]string{path: value}}
	}
	model := func(name, value string) scenario.Overrides {
		return scenario.Overrides{Models: map[string]string{name: value}}
	}
	for _, c := range []struct {
		o                scenario.Overrides
		want, suggestion string
	}{
		{scenario.Overrides{Agents: new(0)}, `--agents 0: "size" must be from 1 to 100000000, not 0`, ""},
		{scenario.Overrides{Rounds: new(-1)}, `--rounds -1: "rounds" must be from 1 to 1000000, not -1`, ""},
		{set("vars.rato", "1/2"), `--set vars.rato=1/2: there is no "rato" in vars to set`, "ratio"},
		{set("var.ratio", "1/2"), `--set var.ratio=1/2: there is no "var" to set`, "vars"},
		{set("vars.ratio.x", "1/2"), `--set vars.ratio.x=1/2: "ratio" is text; --set reaches only named keys`, ""},
		{set("vars.ratio", "1/0"), `--set vars.ratio=1/0: "1/0" divides by zero: bad number`, ""},
		{set("turn.0.ask", "x"), `--set turn.0.ask=x: "turn" is a list; --set reaches only named keys`, ""},
		{set("", "x"), `--set =x: there is no "" to set`, ""},
		{set("models.robot.latency", "1"), `--set models.robot.latency=1: "latency" must be a duration such as 250ms, 1s or 2m, not 1`, ""},
		{set("models.robot.tau", "1"), `--set models.robot.tau=1: "tau" is not a key of provider "dummy"`, ""},
		{set("models.player.tau", "1 +"), `--set models.player.tau=1 +: unexpected token EOF`, ""},
		{set("models.server.endpoints", "[x"), `--set models.server.endpoints=[x: this is not valid YAML: sequence end token ']' not found`, ""},
		{set("models.server.endpoints", "http://x"), `--set models.server.endpoints=http://x: "endpoints" must be a list, not text`, ""},
		{set("groups.by", "block"), `--set groups.by=block: "groups" is not yet supported`, ""},
		{set("agents.first.system", "{{.vars.nope}}"), `--set agents.first.system={{.vars.nope}}: unknown name .vars.nope`, ""},
		{model("plaier", "dummy:1s"), `--model plaier=dummy:1s: there is no model "plaier"`, "player"},
		{model("player", "openai:localhost:8000:m"), `--model player=openai:localhost:8000:m: ` + wantModel, ""},
		{model("player", "openai:http://localhost:8000"), `--model player=openai:http://localhost:8000: ` + wantModel, ""},
		{model("player", "openai:http://localhost:8000/v1"), `--model player=openai:http://localhost:8000/v1: ` + wantModel, ""},
		{model("player", "scripted:x"), `--model player=scripted:x: ` + wantModel, ""},
		{model("player", "dummy"), `--model player=dummy: ` + wantModel, ""},
		{model("player", "agent:alice"), `--model player=agent:alice: ` + wantModel, ""},
		{model("player", "agent:/alice"), `--model player=agent:/alice: "host" is empty`, ""},
	} {
		_, err := scenario.Load("f.yaml", []byte(base), c.o)
		var all scenario.Errors
		require.ErrorAs(t, err, &all, c.want)
		require.Equal(t, c.want, all.Error())
		require.Equal(t, c.suggestion, all[0].Suggestion)
	}
	counts := edit(t, "share: 3/4", "count: 700")
	_, err := scenario.Load("f.yaml", []byte(replace(counts, "share: 1/4", "count: 300")), scenario.Overrides{Agents: new(10)})
	require.EqualError(t, err, "--agents 10: the blocks' counts sum to 1000, but population.size is 10; use share instead of count to let blocks scale")
}
