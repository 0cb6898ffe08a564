package coordinator

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func (v *server) routeStack(api huma.API) {
	op := func(id, path, summary, description string) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: path, Tags: []string{tagStack}, Summary: summary, Description: description,
		}
	}
	operation(v, api, op("list-hosts", "/v1/hosts", "List agent hosts", "Those that have shown a sign of life within the last seconds."), v.hosts)
	drains := op("drain-host", "/v1/hosts/{id}/drain", "Drain a host",
		"It begins no new turns, and its shards go to the others as soon as nothing of them is under way, or after a minute. "+
			"Its code agents stay with it. A restart ends it, too. Refused for the last host that takes work.")
	drains.Method = http.MethodPost
	operation(v, api, drains, v.drain(true))
	undrains := op("undrain-host", "/v1/hosts/{id}/drain", "Let a host take work again", "It gets shards again when rounds open, or sooner.")
	undrains.Method = http.MethodDelete
	operation(v, api, undrains, v.drain(false))
	operation(v, api, op("health", "/healthz", "Is the process alive?", "Answers as long as the process does."), v.health)
	operation(v, api, op("ready", "/readyz", "Can it take runs?", "Checks the NATS server and the run log; what is missing is listed."), v.ready)
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "metrics", Method: http.MethodGet, Path: "/metrics", Tags: []string{tagStack}, Summary: "Metrics for Prometheus",
		Responses: sends("Metrics in the text format", text(), "text/plain"),
	})
}

type hostsOutput struct {
	Body []hosts.Status `nullable:"false"`
}

func (v *server) hosts(context.Context, *struct{}) (*hostsOutput, error) {
	return &hostsOutput{Body: v.svc.statuses()}, nil
}

type hostInput struct {
	ID string `path:"id" maxLength:"200" doc:"Id of the host." example:"host-k7q2m4"`
}

type hostOutput struct {
	Body hosts.Status
}

// drain is the operation that has a host drain, or take work again.
func (v *server) drain(draining bool) func(context.Context, *hostInput) (*hostOutput, error) {
	return func(ctx context.Context, in *hostInput) (*hostOutput, error) {
		st, err := v.svc.drain(ctx, in.ID, draining)
		if p, ok := errors.AsType[*control.Problem](err); ok && p.Code == codeNotFound {
			return nil, newProblem(http.StatusNotFound, codeNotFound, p.Detail+"; GET /v1/hosts lists them")
		}
		if err != nil {
			return nil, err
		}
		return &hostOutput{Body: st}, nil
	}
}

type healthOutput struct {
	Body struct {
		Status string `json:"status" enum:"ok"`
	}
}

func (v *server) health(context.Context, *struct{}) (*healthOutput, error) {
	out := &healthOutput{}
	out.Body.Status = "ok"
	return out, nil
}

type readyOutput struct {
	Body struct {
		Status string `json:"status" enum:"ready"`
		Hosts  int    `json:"hosts" doc:"Agent hosts that run; without one, runs wait."`
	}
}

// readyTimeout bounds the check of the log.
const readyTimeout = 2 * time.Second

func (v *server) ready(ctx context.Context, _ *struct{}) (*readyOutput, error) {
	p := newProblem(http.StatusServiceUnavailable, codeUnavailable, "not ready")
	if !v.svc.nc.IsConnected() {
		p.Errors = append(p.Errors, httpFault{Location: "nats", Detail: "not connected to the NATS server"})
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if _, err := v.svc.js.Stream(ctx, subjects.StreamLog); err != nil {
		v.log.Warn("not ready", "stream", subjects.StreamLog, "error", err)
		p.Errors = append(p.Errors, httpFault{Location: "log", Detail: "the stream " + subjects.StreamLog + " is not reachable"})
	}
	if len(p.Errors) > 0 {
		return nil, p
	}
	out := &readyOutput{}
	out.Body.Status, out.Body.Hosts = "ready", len(v.svc.living())
	return out, nil
}
