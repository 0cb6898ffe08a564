package coordinator

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

const (
	heartbeat  = 15 * time.Second // between comments that keep a quiet stream open
	reconnect  = time.Second      // after which a client whose stream broke off comes back
	typeEvents = "text/event-stream"
)

type eventsInput struct {
	ID    string `path:"id" doc:"Id of the run." example:"guess-two-thirds-4kq2m7xa"`
	After uint64 `header:"Last-Event-ID" doc:"Only events after this one; browsers send it when they come back."`
}

func (v *server) routeEvents(api huma.API) {
	responses := sends("The events", eventSchema(api), typeEvents)
	responses["204"] = &huma.Response{Description: "The run is over and Last-Event-ID is its last event."}
	operation(v, api, huma.Operation{
		OperationID: "follow-run", Method: http.MethodGet, Path: "/v1/runs/{id}/events", Tags: []string{tagRuns}, Summary: "Follow a run",
		Description: "Server-sent events: all that was recorded of the run from its beginning, then what comes, while a round is open " +
			"its progress, and which parts of its budget were reached. The stream ends after finished, cancelled or failed. For one who has heard that already the answer is 204, which " +
			"keeps browsers from coming back.",
		Responses: responses,
	}, v.events)
}

func (v *server) events(ctx context.Context, in *eventsInput) (*huma.StreamResponse, error) {
	st, err := v.state(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	after := min(in.After, st.CtlSeq) // an id from the future would wait for it
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		if st.Phase.Over() && after == st.CtlSeq {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		w.Header().Set("Content-Type", typeEvents)
		if r.Method == http.MethodHead {
			return
		}
		s := &eventStream{svc: v.svc, run: in.ID, round: st.Round, w: w, control: http.NewResponseController(w)}
		if err := s.serve(r.Context(), v.closing, after); err != nil && r.Context().Err() == nil {
			v.log.Warn("event stream broke off", "run", in.ID, "error", err)
		}
	}}, nil
}

// eventStream sends the events of a run to one client.
type eventStream struct {
	svc      *Service
	run      string
	w        http.ResponseWriter
	control  *http.ResponseController
	round    int // the round whose progress may be told; 0: none is open
	caughtUp bool
	told     Progress
	alerts   int // parts of the budget told of
}

// serve sends what comes after sequence after, until the run is over, the client goes or stop is closed.
func (s *eventStream) serve(ctx context.Context, stop <-chan struct{}, after uint64) error {
	ctx, cancel := context.WithCancel(ctx)
	entries, live := make(chan runlog.Entry), make(chan struct{})
	var reading sync.WaitGroup
	var failure error // of the reader; to be looked at once entries is closed
	reading.Go(func() {
		defer close(entries)
		failure = runlog.Follow(ctx, s.svc.js, after+1, []string{subjects.LogCtlAll(s.run)},
			func() error { close(live); return nil },
			func(e runlog.Entry) error {
				select {
				case entries <- e:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			})
	})
	defer reading.Wait()
	defer cancel()
	beat, tick := time.NewTicker(heartbeat), time.NewTicker(progressEvery)
	defer beat.Stop()
	defer tick.Stop()
	err := s.send(fmt.Sprintf("retry: %d\n\n", reconnect.Milliseconds()))
	for over := false; err == nil && !over; {
		select {
		case e, ok := <-entries:
			if !ok {
				return failure
			}
			over, err = s.tell(e)
		case <-live:
			live, s.caughtUp = nil, true
		case <-tick.C:
			if err = s.tellProgress(); err == nil && s.caughtUp {
				err = s.tellAlerts()
			}
		case <-beat.C:
			err = s.send(":\n\n")
		case <-stop:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return err
}

// tell sends a control record and reports whether it is the last.
func (s *eventStream) tell(e runlog.Entry) (over bool, err error) {
	kind, data, err := decodeEvent(e)
	if err != nil {
		return false, err
	}
	switch d := data.(type) {
	case openedEvent:
		s.round = d.Round
	case closedEvent:
		s.round = 0
	}
	over = terminal(kind)
	if over {
		err = s.tellAlerts()
	}
	return over, errors.Join(err, s.event(kind, fmt.Sprintf("id: %d\n", e.Seq), data))
}

// tellAlerts sends which parts of the budget were reached. One who comes back hears of them again.
func (s *eventStream) tellAlerts() error {
	for _, e := range s.svc.alerts.from(s.run, s.alerts) {
		if err := s.event(kindBudget, "", e); err != nil {
			return err
		}
		s.alerts++
	}
	return nil
}

// tellProgress sends how far the open round is, if that is news. It waits for the round's opened event to be sent.
func (s *eventStream) tellProgress() error {
	p, ok := s.svc.progress(s.run)
	if !ok || !s.caughtUp || p.Round != s.round || p == s.told {
		return nil
	}
	s.told = p
	return s.event(kindProgress, "", progressEvent{Time: time.Now().UTC(), Run: s.run, Progress: p})
}

func (s *eventStream) event(kind, id string, data any) error {
	line, err := json.Marshal(data) // on one line, as the format needs it
	if err != nil {
		return fmt.Errorf("event %s: %w", kind, err)
	}
	return s.send(fmt.Sprintf("event: %s\n%sdata: %s\n\n", kind, id, line))
}

// send writes and flushes, with a deadline of its own.
func (s *eventStream) send(text string) error {
	err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout))
	if err == nil {
		_, err = s.w.Write([]byte(text))
	}
	return errors.Join(err, s.control.Flush())
}
