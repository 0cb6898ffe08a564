package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Endpoints of the coordinator.
const (
	Submit  = "submit"  // Submission -> Info
	Pause   = "pause"   // Order -> Info
	Resume  = "resume"  // Order -> Info
	Cancel  = "cancel"  // Order -> Info
	Status  = "status"  // Order -> Info
	Trouble = "trouble" // runlog.Trouble -> empty; one without a run says that the log takes no records, which all runs wait for
	Models  = "models"  // Outage -> empty; every coordinator hears it, whichever answers first
)

// Submission asks for a new run.
type Submission struct {
	File      string             `json:"file"` // named in errors
	Source    string             `json:"source"`
	Overrides scenario.Overrides `json:"overrides"`
	ShardSize int                `json:"shard_size,omitempty"` // 0: the coordinator's default
}

// Order names a run and why something is to happen to it.
type Order struct {
	Run    string `json:"run"`
	Reason string `json:"reason,omitempty"`
	Caps   *Caps  `json:"caps,omitempty"` // resume only: what the run may spend from now on; nil: as before
}

// Outage is what an llmproxy says of the servers of a model that calls of a run wait for. While it can reach none of them
// it says so every OutageEvery; once one is back it says that.
type Outage struct {
	Run    string `json:"run"`
	Model  string `json:"model"` // name of an entry under the scenario's models:
	Down   bool   `json:"down"`
	Reason string `json:"reason,omitempty"` // why none can be reached
	From   string `json:"from"`             // the llmproxy, by incarnation
}

const (
	// OutageEvery is the pause between two reports of an outage that lasts.
	OutageEvery = 2 * time.Second
	// OutageSilence is how long nobody must have said that servers are down for them to count as back.
	OutageSilence = 3 * OutageEvery
)

// Info is what a coordinator knows of a run.
type Info struct {
	ID       string     `json:"id"`
	Scenario string     `json:"scenario"`
	State    string     `json:"state"` // created, running, paused, finished, failed, cancelled, or StateDamaged
	Reason   string     `json:"reason,omitempty"`
	Waiting  bool       `json:"waiting,omitempty"` // paused until a server of a model is back; the run then goes on by itself
	Seed     uint64     `json:"seed"`
	Agents   int        `json:"agents"`
	Round    int        `json:"round"`    // last opened
	Rounds   int        `json:"rounds"`   // at most
	Answered int        `json:"answered"` // answers of the open round so far
	Expected int        `json:"expected"` // answers a round needs
	Fork     *ForkOf    `json:"fork,omitempty"`
	Hash     string     `json:"result_hash,omitempty"`
	Seq      uint64     `json:"seq,omitempty"` // record of the log that decided last; a list may show an older one
	Created  time.Time  `json:"created"`
	Ended    *time.Time `json:"ended,omitempty"`
}

// StateDamaged is the state of a run that is not gone on with because records of it are lost, and in a list of one whose
// entry does not decode.
const StateDamaged = "damaged"

// Waits begins the reason of a run that is not paused and does not move all the same, because none of its records can be stored.
const Waits = "waits: "

// Stalled reports whether the run waits until records can be stored again. It then goes on by itself.
func (i Info) Stalled() bool {
	return (i.State == "created" || i.State == "running") && strings.HasPrefix(i.Reason, Waits)
}

// Over reports whether the run has ended.
func (i Info) Over() bool {
	return i.State == "finished" || i.State == "failed" || i.State == "cancelled"
}

// Problem is an error answer. Lines holds a scenario's errors, one each.
type Problem struct {
	Code   string   `json:"code"` // invalid, not_found, over, damaged, not_paused, too_little, internal
	Detail string   `json:"detail"`
	Lines  []string `json:"lines,omitempty"`
}

// Error is the problem in words.
func (p *Problem) Error() string { return p.Detail }

// ErrNoCoordinator: nobody serves the endpoints.
var ErrNoCoordinator = errors.New("no coordinator is running on this NATS server")

// askWait bounds a request of which the caller gave no end: a broker or a coordinator that dies takes the answer with it. It is
// longer than a coordinator works on any request.
const askWait = 20 * time.Second

// Ask sends a request to an endpoint and decodes the answer into out, which may be nil. Problems of the coordinator come
// back as *Problem, its absence as ErrNoCoordinator, an answer that does not decode or does not come as another error. Without
// a deadline in ctx an answer is awaited for twenty seconds.
func Ask(ctx context.Context, nc *nats.Conn, endpoint string, in, out any) error {
	data, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("control: encode %s: %w", endpoint, err)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, askWait)
		defer cancel()
	}
	m, err := nc.RequestWithContext(ctx, subjects.Service(subjects.ServiceCoordinator, endpoint), data)
	if errors.Is(err, nats.ErrNoResponders) {
		return fmt.Errorf("control: %s: %w", endpoint, ErrNoCoordinator)
	}
	if err != nil {
		return fmt.Errorf("control: %s: %w", endpoint, err)
	}
	if m.Header.Get(micro.ErrorHeader) != "" {
		p := &Problem{}
		if err := json.Unmarshal(m.Data, p); err != nil || p.Detail == "" {
			return fmt.Errorf("control: %s: %s", endpoint, m.Header.Get(micro.ErrorHeader))
		}
		return p
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(m.Data, out); err != nil {
		return fmt.Errorf("control: decode answer of %s: %w", endpoint, err)
	}
	return nil
}
