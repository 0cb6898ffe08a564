package scenario_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

func TestParseModelReadsWhatAScenarioReads(t *testing.T) {
	const yaml = "provider: openai\nendpoints: ['http://localhost:8000/v1']\nmodel: Qwen\ntemperature: 1/2\nmax_tokens: 64\ntimeout: 2m\n"
	const json = `{"provider":"openai","endpoints":["http://localhost:8000/v1"],"model":"Qwen","temperature":0.5,"max_tokens":64,"timeout":"2m"}`
	want := &scenario.Model{
		Provider: "openai", Endpoints: []string{"http://localhost:8000/v1"}, Model: "Qwen", Temperature: new(0.5), MaxTokens: 64,
		Timeout: int64(2 * 60 * 1e9), APIKeyEnv: "OPENAI_API_KEY",
	}
	for _, src := range []string{yaml, json} {
		m, err := scenario.ParseModel("model", []byte(src))
		require.NoError(t, err)
		m.APIKeyEnv = "OPENAI_API_KEY"
		require.Equal(t, want, m)
	}
}

func TestParseModelSaysWhereItIsWrong(t *testing.T) {
	for src, want := range map[string][2]string{
		``:                                {"", "the file is empty"},
		`[]`:                              {"model", `"model" must be a mapping, not a list`},
		`{"provider":"gpt"}`:              {"model.provider", `"gpt" is not one of`},
		`{"provider":"openai"}`:           {"model", `"endpoints" is missing`},
		`{"provider":"levelk","tau":1.5}`: {"model.provider", "a levelk player needs a game"},
		`{"provider":"openai","endpoints":["ftp://a"],"model":"m"}`:                  {"model.endpoints[0]", "is not a URL"},
		`{"provider":"openai","endpoints":["http://a"],"model":"m","temprature":1}`:  {"model.temprature", `unknown key "temprature"`},
		`{"provider":"openai","endpoints":["http://a"],"model":"m","temperature":3}`: {"model.temperature", `must be from 0 to 2`},
		`{"provider":"dummy","latency":"1s","model":"m"}`:                            {"model.model", `is not a key of provider "dummy"`},
		strings.Repeat(" ", 1<<20):                                                   {"model", "512 KiB"},
		"\xff":                                                                       {"model", "not UTF-8"},
	} {
		_, err := scenario.ParseModel("model", []byte(src))
		var list scenario.Errors
		require.ErrorAs(t, err, &list, src)
		require.Equal(t, want[0], list[0].Path, src)
		require.Contains(t, list[0].Msg, want[1], src)
	}
}
