package coordinator

import (
	"encoding/json"
	"io/fs"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
)

func TestPagesNeedNothingFromElsewhere(t *testing.T) {
	files, err := fs.Glob(web, "web/*")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	foreign := regexp.MustCompile(`(?i)(https?:)?//[a-z0-9-]+\.[a-z]`)
	for _, f := range files {
		data, err := web.ReadFile(f)
		require.NoError(t, err)
		text := strings.ReplaceAll(string(data), "http://www.w3.org/2000/svg", "")
		require.NotRegexp(t, foreign, text, f)
		require.NotContains(t, text, "innerHTML", f)
		require.NotRegexp(t, `<[^>]+\s(style|on[a-z]+)=`, text, "the policy of %s forbids it", f)
	}
}

func TestPagesLinkOnlyToWhatThereIs(t *testing.T) {
	k := newStack(t)
	k.start()
	link := regexp.MustCompile(`(?:href|src)="(/[^"]*)"|(?:from|fetch\()\s*'(\.?/[^']*)'`)
	seen := 0
	for _, path := range []string{"/", "/docs", "/web/index.js", "/web/docs.js"} {
		page := k.get(path)
		require.Equal(t, http.StatusOK, page.StatusCode)
		require.Contains(t, page.Header.Get("Content-Security-Policy"), "script-src 'self'")
		for _, m := range link.FindAllStringSubmatch(page.text, -1) {
			target := strings.Replace(m[1]+m[2], "./", "/web/", 1)
			res := k.get(target)
			require.Equal(t, http.StatusOK, res.StatusCode, "%s of %s", target, path)
			if strings.HasSuffix(target, ".js") {
				require.Equal(t, "text/javascript; charset=utf-8", res.Header.Get("Content-Type"))
			}
			seen++
		}
	}
	require.Greater(t, seen, 10)
}

func TestPagesAreNotSentTwice(t *testing.T) {
	k := newStack(t)
	k.start()
	first := k.get("/web/style.css")
	r := k.request(http.MethodGet, "/web/style.css", "")
	r.Header.Set("If-None-Match", first.Header.Get("ETag"))
	again := k.do(r)
	require.Equal(t, http.StatusNotModified, again.StatusCode)
	require.Empty(t, again.text)
}

func TestTheExampleOfThePageStarts(t *testing.T) {
	k := newStack(t)
	k.start()
	run := decode[control.Info](t, k.post("/v1/runs", k.get("/web/starter.yaml").text))
	require.Equal(t, "my-first-run", run.Scenario)
}

// TestOpenAPIDescribesTheAPI compares the description with what is served.
func TestOpenAPIDescribesTheAPI(t *testing.T) {
	k := newStack(t)
	k.played("done-1")
	k.start()
	res := k.get("/openapi.json")
	require.Equal(t, "application/json", res.Header.Get("Content-Type"))
	var spec struct {
		OpenAPI string `json:"openapi"`
		Paths   map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Summary     string
			Tags        []string
			Responses   map[string]struct {
				Content map[string]any
			}
		}
		Components struct {
			Schemas map[string]struct{ Properties map[string]any }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(res.text), &spec))
	require.Regexp(t, `^3\.1\.`, spec.OpenAPI)
	ids := map[string]bool{}
	for path, methods := range spec.Paths {
		for method, op := range methods {
			require.False(t, ids[op.OperationID], op.OperationID)
			ids[op.OperationID] = true
			require.NotEmpty(t, op.Summary)
			require.Len(t, op.Tags, 1)
			if method != "get" {
				continue
			}
			res := k.get(strings.Replace(path, "{id}", "done-1", 1))
			require.Equal(t, http.StatusOK, res.StatusCode, path)
			mediaType, _, _ := strings.Cut(res.Header.Get("Content-Type"), ";")
			require.Contains(t, op.Responses["200"].Content, mediaType, path)
		}
	}
	for _, want := range []string{"submit-run", "cancel-run", "pause-run", "resume-run", "follow-run", "get-results", "metrics", "ready"} {
		require.Contains(t, ids, want)
	}
	require.NotContains(t, spec.Components.Schemas, "ErrorModel")
	require.NotContains(t, res.text, "#/components/schemas/Error")
	for schema, fields := range map[string][]string{
		"Run": {"id", "state", "waiting", "answered", "result_hash"}, "RunDetail": {"id", "summary", "usage"},
		"Usage": {"total", "models", "held", "caps", "share", "alerts"}, "Caps": {"tokens", "money", "models"}, "BudgetEvent": {"percent", "spent", "cap"},
		"ClosedEvent":   {"seq", "time", "questions"},
		"ProgressEvent": {"answered", "expected", "round"}, "Fault": {"location", "line", "column", "source_line", "suggestion"},
	} {
		for _, field := range fields {
			require.Contains(t, spec.Components.Schemas[schema].Properties, field, schema)
		}
	}
	for _, ref := range regexp.MustCompile(`"#/components/schemas/([^"]+)"`).FindAllStringSubmatch(res.text, -1) {
		require.Contains(t, spec.Components.Schemas, ref[1])
	}

	asYAML := k.get("/openapi.yaml")
	require.Equal(t, "application/yaml", asYAML.Header.Get("Content-Type"))
	converted, err := yaml.YAMLToJSON([]byte(asYAML.text))
	require.NoError(t, err)
	require.JSONEq(t, res.text, string(converted))
}
