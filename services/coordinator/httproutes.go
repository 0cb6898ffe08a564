package coordinator

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
)

const apiText = `Start simulations, follow them and fetch their results.

Every error is a problem as RFC 9457 describes it, with a ` + "`code`" + ` for programs and, for a scenario that is not valid, the line and
column of each fault. A run's id is part of its address and never changes.`

// handler builds the routes of the API and its description.
func (v *server) handler(counts *metrics) (http.Handler, error) {
	mux := http.NewServeMux()
	cfg := huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI:    "3.1.0",
			Info:       &huma.Info{Title: "Myriad", Version: "1", Description: apiText},
			Components: &huma.Components{Schemas: huma.NewMapRegistry("#/components/schemas/", schemaName)},
			Tags: []*huma.Tag{
				{Name: tagRuns, Description: "Executions of a scenario."},
				{Name: tagResults, Description: "What came of a run, at any time: while it goes on, its closed rounds."},
				{Name: tagStack, Description: "The services behind it."},
			},
		},
		Formats:                      huma.DefaultFormats,
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
		Transformers:                 []huma.Transformer{convert},
	}
	api := humago.New(mux, cfg)
	v.routeRuns(api)
	v.routeFork(api)
	v.routeResults(api)
	v.routeEvents(api)
	v.routeStack(api)
	mux.Handle("GET /metrics", counts.handler())
	if v.access.guard {
		mux.HandleFunc("POST "+pathLogin, v.login)
	}
	if err := v.describe(mux, api); err != nil {
		return nil, err
	}
	if err := v.pages(mux); err != nil {
		return nil, err
	}
	return v.guard(v.route(mux)), nil
}

const (
	tagRuns    = "Runs"
	tagResults = "Results"
	tagStack   = "Stack"
)

// describe serves the OpenAPI description, which is complete once every operation is registered.
func (v *server) describe(mux *http.ServeMux, api huma.API) error {
	spec := api.OpenAPI()
	for _, foreign := range []string{"ErrorModel", "ErrorDetail"} { // huma's own, which convert replaces
		delete(spec.Components.Schemas.Map(), foreign)
	}
	for _, name := range []string{"Run", "RunDetail"} {
		for field, text := range runFields {
			spec.Components.Schemas.Map()[name].Properties[field].Description = text
		}
	}
	asJSON, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		return fmt.Errorf("coordinator: OpenAPI: %w", err)
	}
	asYAML, err := spec.YAML()
	if err != nil {
		return fmt.Errorf("coordinator: OpenAPI: %w", err)
	}
	mux.Handle("GET /openapi.json", static("application/json", asJSON))
	mux.Handle("GET /openapi.yaml", static("application/yaml", asYAML))
	return nil
}

// runFields explain control.Info, which knows nothing of this API.
var runFields = map[string]string{
	"scenario":    "Name of the scenario.",
	"state":       "created, running, paused, finished, failed or cancelled.",
	"reason":      "Why it was paused, resumed or ended.",
	"waiting":     "Paused until a server of a model is back; the run then goes on by itself.",
	"round":       "The round opened last; 0 before the first.",
	"rounds":      "Rounds it plays at most.",
	"answered":    "Answers of the open round so far.",
	"expected":    "Answers a round needs.",
	"fork":        "The run whose rounds up to the given one are the first of this run, which is a fork.",
	"result_hash": "Equal for equal results; of a finished run.",
}

// schemaName names the types of the description as users know them.
func schemaName(t reflect.Type, hint string) string {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if name, ok := map[reflect.Type]string{
		reflect.TypeFor[control.Info]():   "Run",
		reflect.TypeFor[runDetail]():      "RunDetail",
		reflect.TypeFor[control.ForkOf](): "ForkOf",
		reflect.TypeFor[hosts.Status]():   "Host",
		reflect.TypeFor[usageBody]():      "Usage",
		reflect.TypeFor[useBody]():        "Use",
		reflect.TypeFor[heldBody]():       "Held",
		reflect.TypeFor[capsBody]():       "Caps",
		reflect.TypeFor[capBody]():        "Cap",
		reflect.TypeFor[httpProblem]():    "Problem",
		reflect.TypeFor[report.Fault]():   "Incident",
		reflect.TypeFor[runlog.ForkOf]():  "Parent",
		reflect.TypeFor[httpFault]():      "Fault",
		reflect.TypeFor[report.Round]():   "Round",
		reflect.TypeFor[report.Outcome](): "Outcome",
	}[t]; ok {
		return name
	}
	return huma.DefaultSchemaNamer(t, hint)
}

// operation registers an operation whose errors are explained to the caller.
func operation[I, O any](v *server, api huma.API, op huma.Operation, do func(context.Context, *I) (*O, error)) {
	v.operations++
	op.Extensions = map[string]any{"x-order": v.operations} // the reference shows them in this order, not by path
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	op.Responses["default"] = &huma.Response{
		Description: "Problem",
		Content:     map[string]*huma.MediaType{problemType: {Schema: schemaOf[httpProblem](api)}},
	}
	huma.Register(api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := do(ctx, in)
		if err != nil {
			return nil, v.explain(ctx, op.OperationID, err)
		}
		return out, nil
	})
}

// schemaOf is a reference to the description of a type.
func schemaOf[T any](api huma.API) *huma.Schema {
	return api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[T](), true, "")
}

// sends describes a response that huma does not encode itself.
func sends(description string, schema *huma.Schema, mediaTypes ...string) map[string]*huma.Response {
	r := &huma.Response{Description: description, Content: map[string]*huma.MediaType{}}
	for _, t := range mediaTypes {
		r.Content[t] = &huma.MediaType{Schema: schema}
	}
	return map[string]*huma.Response{"200": r}
}

// text is the schema of text.
func text() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }

// runInput names a run.
type runInput struct {
	ID string `path:"id" doc:"Id of the run." example:"guess-two-thirds-4kq2m7xa"`
}

// runID checks an id before it is used anywhere. An id that no run can have is answered like one that no run has.
func runID(id string) error {
	const longest = 100
	if id == "" || len(id) > longest || strings.Trim(id, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return noRun()
	}
	return nil
}
