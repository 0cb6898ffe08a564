package coordinator

import (
	"context"
	"fmt"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

const (
	scenarioBytes = 512 << 10 // as pkg/scenario has it
	scenarioFile  = "scenario.yaml"
)

func (v *server) routeRuns(api huma.API) {
	body := &huma.RequestBody{Description: "The scenario, as YAML or as JSON. Other content types are read as YAML."}
	operation(v, api, huma.Operation{
		OperationID: "submit-run", Method: http.MethodPost, Path: "/v1/runs", Tags: []string{tagRuns}, Summary: "Start a run",
		Description:   "The scenario is checked first: with a fault in it nothing is started, and the answer says where each fault is.",
		DefaultStatus: http.StatusAccepted, RequestBody: body,
		MaxBodyBytes:    scenarioBytes + 1, // huma refuses a body that fills the limit
		BodyReadTimeout: orderTimeout,
	}, v.submit)
	body.Content["application/yaml"].Schema = text()
	body.Content["application/json"] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeObject, AdditionalProperties: true}}

	operation(v, api, huma.Operation{
		OperationID: "list-runs", Method: http.MethodGet, Path: "/v1/runs", Tags: []string{tagRuns}, Summary: "List runs",
		Description: "Newest first.",
	}, v.list)
	operation(v, api, huma.Operation{
		OperationID: "get-run", Method: http.MethodGet, Path: "/v1/runs/{id}", Tags: []string{tagRuns}, Summary: "Show a run",
		Description: "Its state and, once a round is closed or the run is over, its summary.",
	}, v.get)
	for _, order := range []struct {
		name, summary, description string
		do                         func(context.Context, control.Order) (control.Info, error)
	}{
		{"cancel", "Cancel a run", "It ends for good. What it has so far stays.", v.svc.cancelRun},
		{"pause", "Pause a run", "Agents are asked no more; answers under way still count. Pausing a paused run changes nothing, but for one " +
			"that only waits for a server: it then waits for you.", v.svc.pause},
	} {
		operation(v, api, huma.Operation{
			OperationID: order.name + "-run", Method: http.MethodPost, Path: "/v1/runs/{id}/" + order.name, Tags: []string{tagRuns},
			Summary: order.summary, Description: order.description,
		}, v.order(order.do))
	}
	operation(v, api, huma.Operation{
		OperationID: "resume-run", Method: http.MethodPost, Path: "/v1/runs/{id}/resume", Tags: []string{tagRuns}, Summary: "Resume a paused run",
		Description: "It goes on where it stopped. The body, if there is one, says what the run may spend from now on: caps are totals from " +
			"its beginning, those that are not named stay as they are, and one below what is spent already is refused.",
	}, v.resume)
	operation(v, api, huma.Operation{
		OperationID: "replay-run", Method: http.MethodPost, Path: "/v1/runs/{id}/replay", Tags: []string{tagRuns}, Summary: "Play a run again without models",
		Description: "Starts a run with the same scenario and overrides in which every model says what it said then, so that no model is asked " +
			"and the result hash is the same. With changed settings old replies are read by other rules; what was never said then stops the run.",
		DefaultStatus: http.StatusAccepted,
	}, v.replay)
}

// optional is a query parameter that can be told apart from its zero value.
type optional[T any] struct {
	Value T
	set   bool
}

// Schema describes the parameter as its value.
func (optional[T]) Schema(r huma.Registry) *huma.Schema {
	return huma.SchemaFromType(r, reflect.TypeFor[T]())
}

// Receiver is where huma puts the value.
func (o *optional[T]) Receiver() reflect.Value { return reflect.ValueOf(o).Elem().Field(0) }

// OnParamSet is told whether there was one.
func (o *optional[T]) OnParamSet(set bool, _ any) { o.set = set }

func (o *optional[T]) pointer() *T {
	if !o.set {
		return nil
	}
	return &o.Value
}

// OverrideInput are the parameters that change a scenario. It is exported for huma, which reads fields of embedded types only then.
type OverrideInput struct {
	Agents optional[int]    `query:"agents" doc:"Number of agents instead of the scenario's."`
	Rounds optional[int]    `query:"rounds" doc:"Number of rounds instead of the scenario's."`
	Seed   optional[uint64] `query:"seed" doc:"Seed instead of the scenario's."`
	Set    []string         `query:"set,explode" nullable:"false" doc:"PATH=VALUE changes a setting of the scenario, such as vars.ratio=1/2. May be repeated."`
	Model  []string         `query:"model,explode" nullable:"false" doc:"NAME=SPEC changes a model: openai:URL:MODEL, levelk:TAU, dummy:LATENCY, agent:HOST/AGENT or replay:RUN. May be repeated."`
}

type submitInput struct {
	OverrideInput
	RawBody []byte `contentType:"application/yaml"`
}

func (in *OverrideInput) overrides() (scenario.Overrides, error) {
	o := scenario.Overrides{Agents: in.Agents.pointer(), Rounds: in.Rounds.pointer(), Seed: in.Seed.pointer()}
	var err error
	if o.Set, err = pairs("set", in.Set); err != nil {
		return o, err
	}
	o.Models, err = pairs("model", in.Model)
	return o, err
}

// pairs reads the values of a repeated parameter. The last of a name counts.
func pairs(parameter string, list []string) (map[string]string, error) {
	if len(list) == 0 {
		return nil, nil
	}
	out := map[string]string{}
	for _, item := range list {
		name, value, ok := strings.Cut(item, "=")
		if !ok || name == "" {
			p := newProblem(http.StatusUnprocessableEntity, codeInvalid, "the parameter "+parameter+" is a name and a value")
			p.Errors = []httpFault{{Detail: fmt.Sprintf("%.200q is not NAME=VALUE", item), Location: "query." + parameter}}
			return nil, p
		}
		out[name] = value
	}
	return out, nil
}

type submitOutput struct {
	Location string `header:"Location" doc:"Address of the run."`
	Body     control.Info
}

func (v *server) submit(ctx context.Context, in *submitInput) (*submitOutput, error) {
	o, err := in.overrides()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	run, err := v.svc.submit(ctx, control.Submission{File: scenarioFile, Source: string(in.RawBody), Overrides: o})
	if err != nil {
		return nil, err
	}
	return &submitOutput{Location: "/v1/runs/" + run.ID, Body: run}, nil
}

type replayInput struct {
	ID string `path:"id" doc:"Id of the run to play again." example:"guess-two-thirds-4kq2m7xa"`
	OverrideInput
}

func (v *server) replay(ctx context.Context, in *replayInput) (*submitOutput, error) {
	if err := runID(in.ID); err != nil {
		return nil, err
	}
	o, err := in.overrides()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	run, err := v.svc.replay(ctx, control.Again{Run: in.ID, Overrides: o})
	if err != nil {
		return nil, err
	}
	return &submitOutput{Location: "/v1/runs/" + run.ID, Body: run}, nil
}

type runOutput struct{ Body control.Info }

type runsOutput struct {
	Body []control.Info `nullable:"false"`
}

func (v *server) list(ctx context.Context, _ *struct{}) (*runsOutput, error) {
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	list, err := v.svc.current(ctx)
	if err != nil {
		return nil, err
	}
	for i := range list {
		v.svc.explain(&list[i])
	}
	return &runsOutput{Body: list}, nil
}

// runDetail is a run with what came of it so far.
type runDetail struct {
	control.Info
	Usage   *usageBody      `json:"usage,omitempty" doc:"What it has spent on language models; absent where that is nothing."`
	Summary *report.Summary `json:"summary,omitempty" doc:"As in summary.json; once a round is closed or the run is over."`
}

type runDetailOutput struct{ Body runDetail }

func (v *server) get(ctx context.Context, in *runInput) (*runDetailOutput, error) {
	st, err := v.state(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	out := &runDetailOutput{Body: runDetail{Info: info(st)}}
	v.svc.advance(&out.Body.Info)
	v.svc.explain(&out.Body.Info)
	account, known := v.svc.account(ctx, st.Run)
	if known {
		out.Body.Usage = v.svc.usage(st, account)
	}
	if len(st.Rounds) > 0 || st.Phase.Over() {
		s := results.Summary(st)
		if known {
			results.Spent(&s, account)
		}
		out.Body.Summary = &s
	}
	return out, nil
}

// state reads what the log says of a run.
func (v *server) state(ctx context.Context, id string) (*runlog.State, error) {
	if err := runID(id); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	return v.svc.read(ctx, id)
}

type orderInput struct {
	ID     string `path:"id" doc:"Id of the run." example:"guess-two-thirds-4kq2m7xa"`
	Reason string `query:"reason" maxLength:"500" default:"asked for over HTTP" doc:"Why; it is kept with the run."`
}

func (v *server) order(do func(context.Context, control.Order) (control.Info, error)) func(context.Context, *orderInput) (*runOutput, error) {
	return func(ctx context.Context, in *orderInput) (*runOutput, error) {
		if err := runID(in.ID); err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, orderTimeout)
		defer cancel()
		i, err := do(ctx, control.Order{Run: in.ID, Reason: in.Reason})
		if err != nil {
			return nil, err
		}
		return &runOutput{Body: i}, nil
	}
}

type resumeInput struct {
	ID     string `path:"id" doc:"Id of the run." example:"guess-two-thirds-4kq2m7xa"`
	Reason string `query:"reason" maxLength:"500" default:"asked for over HTTP" doc:"Why; it is kept with the run."`
	Body   *capsBody
}

func (v *server) resume(ctx context.Context, in *resumeInput) (*runOutput, error) {
	do := func(ctx context.Context, o control.Order) (control.Info, error) {
		o.Caps = in.Body.order()
		return v.svc.resume(ctx, o)
	}
	return v.order(do)(ctx, &orderInput{ID: in.ID, Reason: in.Reason})
}
