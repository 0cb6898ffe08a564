package llmproxy

import (
	"encoding/json"
	"log/slog"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// outages tells the coordinators of models whose servers are all down.
type outages struct {
	nc  *nats.Conn
	log *slog.Logger
	id  string
}

// Down implements fleet.Reporter.
func (o outages) Down(run, model, why string) {
	o.tell(control.Outage{Run: run, Model: model, Down: true, Reason: why, From: o.id})
}

// Up implements fleet.Reporter.
func (o outages) Up(run, model string) { o.tell(control.Outage{Run: run, Model: model, From: o.id}) }

// tell waits for no answer: it would come from every coordinator, and what was not heard is said again.
func (o outages) tell(r control.Outage) {
	data, err := json.Marshal(r)
	if err == nil {
		err = o.nc.PublishRequest(subjects.Service(subjects.ServiceCoordinator, control.Models), o.nc.NewRespInbox(), data)
	}
	if err != nil {
		o.log.Warn("coordinators do not hear of a model's servers", "run", r.Run, "model", r.Model, "down", r.Down, "error", err)
	}
}
