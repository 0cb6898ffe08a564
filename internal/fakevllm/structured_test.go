package fakevllm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
)

var schemas = []string{
	`{"type":"object","properties":{"why":{"type":"string"},"number":{"type":"number","minimum":3.5,"maximum":3.75},"n":{"type":"integer","minimum":1,"maximum":7},"sure":{"type":"boolean"}},"required":["why","number","n"],"additionalProperties":false}`,
	`{"type":"object","properties":{"pick":{"enum":["a \"b\"",5,null]},"always":{"const":{"x":1}}},"required":["pick","always"]}`,
	`{"type":"array","items":{"type":"integer","exclusiveMinimum":0,"exclusiveMaximum":3},"minItems":2,"maxItems":5}`,
	`{"type":"array"}`,
	`{"type":"object","properties":{"people":{"type":"array","items":{"$ref":"#/$defs/person"},"minItems":1}},"required":["people"],"$defs":{"person":{"type":"object","properties":{"name":{"type":"string","minLength":50},"age":{"type":"integer"}},"required":["name","age"]}}}`,
	`{"anyOf":[{"type":"string","maxLength":5},{"type":"null"},{"type":["boolean","integer"]}]}`,
	`{"type":"string","pattern":"^[A-Z]{2}-\\d{3,5}(x|y)?$"}`,
	`{"type":"number"}`,
	`{"oneOf":[{"type":"boolean"},{"type":"number","minimum":0.123456,"maximum":0.123457}]}`,
}

func TestAnswersFitTheirSchema(t *testing.T) {
	p := start(t, Options{})
	for _, text := range schemas {
		doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
		require.NoError(t, err)
		compiler := jsonschema.NewCompiler()
		require.NoError(t, compiler.AddResource("s.json", doc))
		sch, err := compiler.Compile("s.json")
		require.NoError(t, err)
		for _, more := range []string{
			`"response_format":{"type":"json_schema","json_schema":{"name":"answer","schema":` + text + `}}`,
			`"structured_outputs":{"json":` + text + `}`,
			`"structured_outputs":{"json":` + quote(text) + `}`,
		} {
			c := p.post(t, batchPath, batchBody(numbered(40), more)).completion(t)
			for _, choice := range c.Choices {
				got, err := jsonschema.UnmarshalJSON(strings.NewReader(choice.Message.Content))
				require.NoError(t, err, choice.Message.Content)
				require.NoError(t, sch.Validate(got), choice.Message.Content)
			}
			if !strings.Contains(text, `"const"`) && text != schemas[2] {
				require.Greater(t, distinct(contents(c)), 2, text)
			}
		}
	}
}

func TestPropertiesKeepTheirOrder(t *testing.T) {
	p := start(t, Options{})
	c := p.post(t, chatPath, chatBody(ask, `"structured_outputs":{"json":`+schemas[0]+`}`)).completion(t)
	require.Regexp(t, `^\{"why": ".*", "number": 3\.\d+, "n": [1-7](, "sure": (true|false))?\}$`, c.Choices[0].Message.Content)
}

// Where the schema does not say, the question does.
func TestStructuredNumbersAnswerTheQuestion(t *testing.T) {
	p := start(t, Options{})
	more := `"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":{"type":"object","properties":{"x":{"type":"integer"}},"required":["x"]}}}`
	for _, text := range contents(p.post(t, batchPath, batchBody(repeated("from 1000 to 1010", 50), more)).completion(t)) {
		var v struct{ X int }
		require.NoError(t, json.Unmarshal([]byte(text), &v))
		require.True(t, v.X >= 1000 && v.X <= 1010, text)
	}
}

func TestOtherShapes(t *testing.T) {
	p := start(t, Options{Style: Reasoned})
	all := func(more string) []string {
		return contents(p.post(t, batchPath, batchBody(numbered(60), more)).completion(t))
	}
	picked := all(`"structured_outputs":{"choice":["left","right"]}`)
	require.Subset(t, []string{"left", "right"}, picked)
	require.Equal(t, 2, distinct(picked))
	re := regexp.MustCompile(`^(\+\d{1,3} )?[a-f]+x?z*[^a-z]."$`)
	for _, text := range all(`"structured_outputs":{"regex":` + quote(re.String()) + `}`) {
		require.Regexp(t, re, text)
	}
	for _, more := range []string{`"response_format":{"type":"json_object"}`, `"structured_outputs":{"json_object":true}`} {
		for _, text := range all(more) {
			var v map[string]float64
			require.NoError(t, json.Unmarshal([]byte(text), &v), text)
		}
	}
	words := contents(p.post(t, chatPath, chatBody("Why?", `"response_format":{"type":"json_object"}`)).completion(t))
	var v map[string]string
	require.NoError(t, json.Unmarshal([]byte(words[0]), &v))

	c := p.post(t, chatPath, chatBody(ask, `"max_tokens":2`, `"structured_outputs":{"json":`+schemas[4]+`}`)).completion(t)
	require.Equal(t, "length", c.Choices[0].Finish)
	require.False(t, json.Valid([]byte(c.Choices[0].Message.Content)))
}

func TestShapesThatAreRefused(t *testing.T) {
	p := start(t, Options{})
	schema := func(s string) string {
		return `"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":` + s + `}}`
	}
	loop := `{"$ref":"#/$defs/a","$defs":{"a":{"type":"object","properties":{"next":{"$ref":"#/$defs/a"},"other":{"$ref":"#/$defs/a"}}}}}`
	for _, more := range []string{
		`"response_format":{"type":"yaml"}`, `"response_format":{"type":"json_schema"}`, `"response_format":7`,
		`"response_format":{"type":"json_schema","json_schema":{"schema":{}}}`,
		`"response_format":{"type":"json_schema","json_schema":{"name":"a"}}`,
		`"structured_outputs":{}`, `"structured_outputs":7`, `"structured_outputs":{"choice":[]}`,
		`"structured_outputs":{"choice":["a"],"regex":"b"}`, `"structured_outputs":{"regex":"("}`,
		`"structured_outputs":{"grammar":"root ::= x"}`, `"structured_outputs":{"json":"{"}`,
		schema(`7`), schema(`{"type":"unicorn"}`), schema(`{"uniqueItems":true}`), schema(`{"$ref":"#/$defs/x"}`), schema(loop),
		schema(`{"minimum":5,"maximum":4}`), schema(`{"type":"integer","minimum":4.2,"maximum":4.8}`), schema(`{"enum":[]}`),
		schema(`{"type":"object","required":["x"]}`), schema(`{"type":"string","pattern":"("}`), schema(`{"minItems":3,"maxItems":1}`),
		schema(`{"properties":{"a":{"type":"unicorn"}}}`), schema(`{"items":{"type":"unicorn"}}`), schema(`{"anyOf":[{"type":"unicorn"}]}`),
	} {
		r := p.post(t, chatPath, chatBody(ask, more))
		require.Equal(t, http.StatusBadRequest, r.status, more)
		r.refused(t)
	}
}

func TestEmbeddings(t *testing.T) {
	p := start(t, Options{EmbeddingSize: 32})
	embed := func(body string) [][]float64 {
		r := p.post(t, "/embeddings", body)
		require.Equal(t, http.StatusOK, r.status, string(r.body))
		var e struct {
			Object string
			Data   []struct {
				Index     int
				Embedding []float64
			}
			Usage struct {
				Prompt int `json:"prompt_tokens"`
			}
		}
		require.NoError(t, json.Unmarshal(r.body, &e))
		require.Equal(t, "list", e.Object)
		require.Positive(t, e.Usage.Prompt)
		var out [][]float64
		for i, d := range e.Data {
			require.Equal(t, i, d.Index)
			require.InDelta(t, 1, dot(d.Embedding, d.Embedding), 1e-5)
			out = append(out, d.Embedding)
		}
		return out
	}
	v := embed(`{"model":"fake","input":["the cat sat on the mat","the cat lay on the mat","quarterly figures disappoint",""]}`)
	require.Len(t, v, 4)
	require.Len(t, v[0], 32)
	require.Greater(t, dot(v[0], v[1]), dot(v[0], v[2])+0.2)
	require.Equal(t, v[0], embed(`{"input":"the cat sat on the mat"}`)[0])
	require.Len(t, embed(`{"input":"x","dimensions":8}`)[0], 8)
	require.Equal(t, embed(`{"input":[1,2]}`), embed(`{"input":[[1,2]]}`))
	for _, bad := range []string{`{`, `{}`, `{"input":[]}`, `{"input":7}`, `{"input":[1,"a"]}`, `{"input":"x","dimensions":33}`,
		`{"input":"x","encoding_format":"morse"}`, `{"input":` + quote(strings.Repeat("x", 200_000)) + `}`, "{\"input\":\"\xff\"}"} {
		require.Equal(t, http.StatusBadRequest, p.post(t, "/embeddings", bad).status)
	}
	require.Equal(t, http.StatusNotFound, p.post(t, "/embeddings", `{"model":"other","input":"x"}`).status)
	require.Zero(t, p.Stats().Completions)
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += a[i] * b[i]
	}
	return sum
}

func TestMetrics(t *testing.T) {
	value := func(p *peer, name string) float64 {
		body := string(p.get(t, "/metrics").body)
		m := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(name) + `\{engine="0",model_name="fake"[^}]*\} (\S+)$`).FindStringSubmatch(body)
		require.NotNil(t, m, "%s in\n%s", name, body)
		x, err := strconv.ParseFloat(m[1], 64)
		require.NoError(t, err)
		require.Contains(t, body, "# TYPE "+name+" ")
		return x
	}
	p := start(t, Options{MaxSeqs: 2, PerToken: 1 << 40, CacheBlocks: 100})
	failed := make(chan error, 1)
	go func() {
		_, err := p.try(t.Context(), batchPath, batchBody(numbered(5), `"max_tokens":64`))
		failed <- err
	}()
	require.Eventually(t, func() bool { return p.Stats().Running == 2 }, testWait, testTick)
	require.Equal(t, 2.0, value(p, "vllm:num_requests_running"))
	require.Equal(t, 3.0, value(p, "vllm:num_requests_waiting"))
	require.Greater(t, value(p, "vllm:kv_cache_usage_perc"), 0.01)
	p.Kill()
	require.Error(t, <-failed)

	for old, prefix := range map[bool]string{false: "vllm:", true: "vllm:gpu_"} {
		p := start(t, Options{OldMetrics: old})
		for range 2 {
			p.post(t, batchPath, string(gameBody(0, 4)))
		}
		st := p.Stats()
		require.Equal(t, float64(st.PrefixQueries), value(p, prefix+"prefix_cache_queries_total"))
		require.Equal(t, float64(st.PrefixHits), value(p, prefix+"prefix_cache_hits_total"))
		require.Equal(t, float64(st.PromptTokens), value(p, "vllm:prompt_tokens_total"))
		require.Equal(t, float64(st.OutputTokens), value(p, "vllm:generation_tokens_total"))
		require.Equal(t, 8.0, value(p, "vllm:request_success_total"))
		name := map[bool]string{false: "vllm:kv_cache_usage_perc", true: "vllm:gpu_cache_usage_perc"}[old]
		require.Zero(t, value(p, name))
		require.Equal(t, old, strings.Contains(string(p.get(t, "/metrics").body), "gpu_"))
	}
}

func TestLabelsAreEscaped(t *testing.T) {
	p := start(t, Options{Model: "a\"b\\c"})
	require.Contains(t, string(p.get(t, "/metrics").body), fmt.Sprintf(`model_name=%q`, p.Model()))
}
