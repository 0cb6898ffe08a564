package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/micro"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// orderTimeout bounds one request to the coordinator.
const orderTimeout = 15 * time.Second

// serve registers the coordinator's endpoints on NATS.
func (s *Service) serve(ctx context.Context) error {
	var err error
	if s.micro, err = micro.AddService(s.nc, micro.Config{
		Name: "coordinator", Version: "1.0.0", Description: "takes runs and drives their rounds",
		Metadata: map[string]string{"id": s.cfg.ID},
	}); err != nil {
		return fmt.Errorf("coordinator: register: %w", err)
	}
	order := func(do func(context.Context, control.Order) (control.Info, error)) func(context.Context, []byte) (any, error) {
		return func(ctx context.Context, data []byte) (any, error) {
			var o control.Order
			if err := json.Unmarshal(data, &o); err != nil {
				return nil, &control.Problem{Code: "invalid", Detail: fmt.Sprintf("not a JSON order like {\"run\": \"id\"}: %v", err)}
			}
			return do(ctx, o)
		}
	}
	endpoints := map[string]func(context.Context, []byte) (any, error){
		control.Submit: func(ctx context.Context, data []byte) (any, error) {
			var in control.Submission
			if err := json.Unmarshal(data, &in); err != nil {
				return nil, &control.Problem{Code: "invalid", Detail: fmt.Sprintf("not a JSON submission: %v", err)}
			}
			return s.submit(ctx, in)
		},
		control.Replay: func(ctx context.Context, data []byte) (any, error) {
			var in control.Again
			if err := json.Unmarshal(data, &in); err != nil {
				return nil, &control.Problem{Code: "invalid", Detail: fmt.Sprintf("not a JSON order like {\"run\": \"id\"}: %v", err)}
			}
			return s.replay(ctx, in)
		},
		control.Fork:   s.serveFork,
		control.Pause:  order(s.pause),
		control.Resume: order(s.resume),
		control.Cancel: order(s.cancelRun),
		control.Status: order(func(ctx context.Context, o control.Order) (control.Info, error) { return s.status(ctx, o.Run) }),
		control.Trouble: func(ctx context.Context, data []byte) (any, error) {
			var t runlog.Trouble
			if err := json.Unmarshal(data, &t); err != nil {
				return nil, &control.Problem{Code: "invalid", Detail: fmt.Sprintf("not a report of trouble: %v", err)}
			}
			return struct{}{}, s.hearTrouble(ctx, t)
		},
		control.Faults: func(ctx context.Context, data []byte) (any, error) {
			var f control.Fault
			if err := json.Unmarshal(data, &f); err != nil {
				return nil, &control.Problem{Code: "invalid", Detail: fmt.Sprintf("not a report of a fault: %v", err)}
			}
			return struct{}{}, s.hearFault(ctx, f)
		},
		control.Models: func(ctx context.Context, data []byte) (any, error) {
			var r control.Outage
			if err := json.Unmarshal(data, &r); err != nil {
				return nil, &control.Problem{Code: "invalid", Detail: fmt.Sprintf("not a report on the servers of a model: %v", err)}
			}
			return struct{}{}, s.hearOutage(ctx, r)
		},
	}
	for name, handle := range endpoints {
		var options []micro.EndpointOpt
		if name == control.Models { // silence means something, so every coordinator must hear what is said
			options = append(options, micro.WithEndpointQueueGroupDisabled())
		}
		if err := s.endpoint(ctx, name, handle, options...); err != nil {
			return err
		}
	}
	if err := s.nc.FlushTimeout(orderTimeout); err != nil { // from here on everybody finds it
		return fmt.Errorf("coordinator: register: %w", err)
	}
	return nil
}

// endpoint registers one endpoint of the coordinator that answers in JSON.
func (s *Service) endpoint(ctx context.Context, name string, handle func(context.Context, []byte) (any, error), options ...micro.EndpointOpt) error {
	options = append(options, micro.WithEndpointSubject(subjects.Service(subjects.ServiceCoordinator, name)))
	err := s.micro.AddEndpoint(name, micro.HandlerFunc(func(req micro.Request) {
		ctx, cancel := context.WithTimeout(ctx, orderTimeout)
		defer cancel()
		out, err := handle(ctx, req.Data())
		if err != nil {
			p := problem(err)
			data, _ := json.Marshal(p) // strings only
			err = req.Error(p.Code, "see the body", data)
		} else {
			err = req.RespondJSON(out)
		}
		if err != nil {
			s.log.Warn("request not answered", "endpoint", name, "error", err)
		}
	}), options...)
	if err != nil {
		return fmt.Errorf("coordinator: register %s: %w", name, err)
	}
	return nil
}

// problem turns an error into what a caller is told.
func problem(err error) *control.Problem {
	var p *control.Problem
	var invalid scenario.Errors
	var refused *runlog.RefusalError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &refused):
		return &control.Problem{Code: codeInvalid, Detail: refused.Error()}
	case errors.As(err, &invalid):
		p := &control.Problem{Code: "invalid", Detail: "the scenario is not valid"}
		for _, e := range invalid {
			p.Lines = append(p.Lines, e.Detail())
		}
		return p
	case errors.Is(err, ErrNoRun):
		return &control.Problem{Code: "not_found", Detail: err.Error()}
	case errors.Is(err, ErrDamaged):
		return &control.Problem{Code: codeDamaged, Detail: err.Error()}
	case errors.Is(err, ErrOver):
		return &control.Problem{Code: "over", Detail: err.Error()}
	case errors.Is(err, ErrNotPaused):
		return &control.Problem{Code: "not_paused", Detail: err.Error()}
	}
	return &control.Problem{Code: "internal", Detail: err.Error()}
}
