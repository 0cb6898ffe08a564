package coordinator

import (
	"context"
	"errors"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
)

func (v *server) routeFork(api huma.API) {
	operation(v, api, huma.Operation{
		OperationID: "fork-run", Method: http.MethodPost, Path: "/v1/runs/{id}/fork", Tags: []string{tagRuns}, Summary: "Fork a run",
		Description: "Starts a run whose rounds up to at_round are those of this one, and which goes on from there with what the other parameters " +
			"change. Only what comes after is asked and paid for; budgets begin anew. Agents, their number and the questions stay as they are, unless " +
			"at_round is 0. The seed may be another: it decides what happens after at_round, to the same people.",
		DefaultStatus: http.StatusAccepted,
	}, v.fork)
}

type forkInput struct {
	ID      string `path:"id" doc:"Id of the run to fork." example:"guess-two-thirds-4kq2m7xa"`
	AtRound int    `query:"at_round" required:"true" doc:"The last round that is taken over; 0 for none, which starts anew."`
	Name    string `query:"name" maxLength:"40" doc:"What the id of the fork begins with, instead of the scenario's name."`
	OverrideInput
}

func (v *server) fork(ctx context.Context, in *forkInput) (*submitOutput, error) {
	if err := runID(in.ID); err != nil {
		return nil, err
	}
	o, err := in.overrides()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, orderTimeout)
	defer cancel()
	run, err := v.svc.fork(ctx, control.ForkOrder{Run: in.ID, AtRound: in.AtRound, Name: in.Name, Overrides: o})
	if r, ok := errors.AsType[*runlog.RefusalError](err); ok {
		p := newProblem(http.StatusUnprocessableEntity, codeInvalid, r.Error())
		p.Errors = []httpFault{{Detail: r.Reason, Location: r.Field}}
		switch r.Field {
		case "at_round", "agents", "rounds":
			p.Errors[0].Location = "query." + r.Field
		}
		return nil, p
	}
	if err != nil {
		return nil, err
	}
	return &submitOutput{Location: "/v1/runs/" + run.ID, Body: run}, nil
}
