package coordinator

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

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
	operation(v, api, op("health", "/healthz", "Is the process alive?", "Answers as long as the process does."), v.health)
	operation(v, api, op("ready", "/readyz", "Can it take runs?", "Checks the NATS server and the run log; what is missing is listed."), v.ready)
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "metrics", Method: http.MethodGet, Path: "/metrics", Tags: []string{tagStack}, Summary: "Metrics for Prometheus",
		Responses: sends("Metrics in the text format", text(), "text/plain"),
	})
}

type hostsOutput struct {
	Body []hosts.Beat `nullable:"false"`
}

func (v *server) hosts(context.Context, *struct{}) (*hostsOutput, error) {
	return &hostsOutput{Body: append([]hosts.Beat{}, v.svc.living()...)}, nil
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
