package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Codes of problems, for programs; those of package control are among them.
const (
	codeInvalid      = "invalid"
	codeNotFound     = "not_found"
	codeOver         = "over"
	codeDamaged      = "damaged"
	codeNotPaused    = "not_paused"
	codeTooLittle    = "too_little"
	codeLastHost     = "last_host"
	codeForbidden    = "forbidden"
	codeUnauthorized = "unauthorized"
	codeMethod       = "method_not_allowed"
	codeTooLarge     = "too_large"
	codeTimeout      = "timeout"
	codeUnavailable  = "unavailable"
	codeInternal     = "internal"
)

// httpProblem is every error answer of the HTTP API: problem details of RFC 9457 with two members of our own.
type httpProblem struct {
	Type   string      `json:"type" doc:"Always about:blank: the status says what kind of problem it is."`
	Title  string      `json:"title" doc:"The status in words."`
	Status int         `json:"status" doc:"The HTTP status."`
	Detail string      `json:"detail" doc:"What went wrong, for people."`
	Code   string      `json:"code" doc:"What went wrong, for programs." enum:"invalid,not_found,over,damaged,not_paused,too_little,last_host,forbidden,unauthorized,method_not_allowed,too_large,timeout,unavailable,internal"`
	Errors []httpFault `json:"errors,omitempty" nullable:"false" doc:"Every single fault that was found."`
}

// httpFault is one fault of a request.
type httpFault struct {
	Detail     string `json:"detail" doc:"What is wrong."`
	Location   string `json:"location" doc:"Where: body:LINE:COLUMN, query.NAME, header.NAME, or the part that is missing." example:"body:12:7"`
	Line       int    `json:"line,omitempty" doc:"Line of the scenario, from 1."`
	Column     int    `json:"column,omitempty" doc:"Column in characters, from 1."`
	SourceLine string `json:"source_line,omitempty" doc:"The line as it was sent."`
	Path       string `json:"path,omitempty" doc:"Where in the scenario." example:"turn[0].answer.min"`
	Suggestion string `json:"suggestion,omitempty" doc:"What was probably meant."`
}

func newProblem(status int, code, detail string) *httpProblem {
	return &httpProblem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: detail, Code: code}
}

// internal says nothing of the cause, which is for the log only.
func internal() *httpProblem {
	return newProblem(http.StatusInternalServerError, codeInternal, "something went wrong here; the coordinator's log says what")
}

// Error is the problem in words.
func (p *httpProblem) Error() string { return p.Detail }

// GetStatus gives the HTTP status to huma.
func (p *httpProblem) GetStatus() int { return p.Status }

// ContentType gives the media type to huma.
func (p *httpProblem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// write sends a problem outside of huma's operations.
func (v *server) write(w http.ResponseWriter, r *http.Request, p *httpProblem) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	if err := json.NewEncoder(w).Encode(p); err != nil && r.Context().Err() == nil {
		v.log.Debug("problem not sent", "error", err)
	}
}

// explain turns an error into what the caller is told. What the caller cannot help is logged.
func (v *server) explain(ctx context.Context, what string, err error) *httpProblem {
	var ready *httpProblem
	var invalid scenario.Errors
	switch {
	case errors.As(err, &ready):
		return ready
	case errors.As(err, &invalid):
		return invalidScenario(invalid)
	}
	p := problem(err)
	switch p.Code {
	case codeInvalid:
		return newProblem(http.StatusUnprocessableEntity, codeInvalid, p.Detail)
	case codeNotFound:
		return noRun()
	case codeOver, codeDamaged, codeNotPaused, codeTooLittle, codeLastHost:
		return newProblem(http.StatusConflict, p.Code, strings.TrimPrefix(p.Detail, "coordinator: "))
	}
	if ctx.Err() == nil || errors.Is(ctx.Err(), context.DeadlineExceeded) {
		v.log.Error("HTTP request failed", "what", what, "error", err)
	}
	if unreachable(err) {
		return newProblem(http.StatusServiceUnavailable, codeUnavailable, "the NATS server does not answer; try again")
	}
	return internal()
}

func noRun() *httpProblem {
	return newProblem(http.StatusNotFound, codeNotFound, "there is no run of that id; GET /v1/runs lists them")
}

// unreachable reports whether an error comes from a NATS server that is away or does not answer in time.
func unreachable(err error) bool {
	for _, e := range []error{
		context.DeadlineExceeded, context.Canceled, nats.ErrTimeout, nats.ErrNoResponders, nats.ErrConnectionClosed, nats.ErrDisconnected,
		nats.ErrConnectionReconnecting, nats.ErrReconnectBufExceeded, jetstream.ErrNoStreamResponse,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// invalidScenario lists the faults of a scenario with their places.
func invalidScenario(list scenario.Errors) *httpProblem {
	detail := "the scenario has 1 fault"
	if len(list) != 1 {
		detail = fmt.Sprintf("the scenario has %d faults", len(list))
	}
	p := newProblem(http.StatusUnprocessableEntity, codeInvalid, detail)
	for _, e := range list {
		f := httpFault{Detail: e.Msg, Line: e.Line, Column: e.Column, SourceLine: e.SourceLine, Path: e.Path, Suggestion: e.Suggestion}
		if e.Line > 0 {
			f.Location = fmt.Sprintf("body:%d:%d", e.Line, e.Column)
		} else { // an override, which the loader names by the flag of the command line
			flag, _, _ := strings.Cut(strings.TrimPrefix(e.File, "--"), " ")
			f.Location = "query." + flag
		}
		p.Errors = append(p.Errors, f)
	}
	return p
}

// convert is a huma transformer: it gives huma's own errors, of parameters and bodies, the shape of all others.
func convert(_ huma.Context, _ string, body any) (any, error) {
	e, ok := body.(*huma.ErrorModel)
	if !ok {
		return body, nil
	}
	code := codeInvalid
	switch e.Status {
	case http.StatusRequestEntityTooLarge:
		code = codeTooLarge
	case http.StatusRequestTimeout:
		code = codeTimeout
	case http.StatusInternalServerError:
		return internal(), nil
	}
	p := newProblem(e.Status, code, e.Detail)
	for _, d := range e.Errors {
		detail := d.Message
		if d.Value != nil && d.Value != "" {
			detail = fmt.Sprintf("%s: %.200q", detail, fmt.Sprint(d.Value))
		}
		p.Errors = append(p.Errors, httpFault{Detail: detail, Location: d.Location})
	}
	return p, nil
}
