package llmproxy

import (
	"context"
	"strings"
	"time"
	"unsafe"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/internal/llm"
)

// What an open request holds besides its payload or its asks: the exchange, its place, its timer. About.
const exchangeBytes = 512

// receive decides whether a request is taken. It runs on the subscription's goroutine, and what it does not take off the
// subscription in time would pile up there: it reads the head, which costs a fraction of what the client spent on the
// message, allocates little and never waits for the bus. So a request is taken or refused, and none is dropped.
func (s *Service) receive(ctx context.Context, m *nats.Msg) {
	if m.Reply == "" {
		s.log.Warn("model request without reply subject dropped", "subject", m.Subject)
		return
	}
	// The client gives the payload away, so it may be kept and read in place.
	head, err := llm.ReadHead(m.Data)
	if err != nil {
		s.refuse(m.Reply, head.ID, err.Error())
		return
	}
	x := &exchange{svc: s, id: head.ID, reply: m.Reply, started: time.Now(), left: head.Count}
	if !s.roll.add(x, head.Count, len(m.Data)+exchangeBytes) {
		s.refuse(m.Reply, head.ID, llm.RefusedBusy)
		return
	}
	// Taken: from now on its requester hears of it, or it is lost with this process. What is said here must not wait for the
	// bus, and may come after the first results.
	s.words.push(func() { s.send(m.Reply, &llm.Result{ID: head.ID}) })
	s.queue.push(func() { s.begin(ctx, x, &head) })
}

// refuse sends a refusal, before anything that was accepted is worked on.
func (s *Service) refuse(reply string, id uint64, why string) {
	s.words.push(func() { s.send(reply, &llm.Result{ID: id, Done: true, Refused: why}) })
}

// begin reads the calls of an accepted request and hands them to their player.
func (s *Service) begin(ctx context.Context, x *exchange, head *llm.Head) {
	if ctx.Err() != nil {
		return // stopping: the requester is told when all work has ended
	}
	asks, err := head.Asks()
	if err != nil {
		x.end(err.Error())
		return
	}
	made, err := s.players.find(head.Purpose, head.Model, head.Facts)
	if err != nil {
		s.log.Warn("model request refused", "run", head.Run, "round", head.Round, "error", err)
		x.end(err.Error())
		return
	}
	if head.Count == 0 {
		x.end("")
		return
	}
	bytes := len(asks)*int(unsafe.Sizeof(llm.Ask{})) + exchangeBytes
	x.asks, x.round, x.purpose, x.series = asks, head.Round, head.Purpose, made.series
	if made.player.reads() {
		x.run, x.system, x.body = head.Run, head.System, head.Body()
		x.deadline, x.budget = head.Deadline, head.Budget
		bytes += head.Size()
	} else {
		x.run = strings.Clone(head.Run) // the payload is let go, which is most of what a call that waits would hold
	}
	s.roll.holds(x, bytes)
	x.series.inFlight.Add(float64(len(asks)))
	made.player.play(ctx, x)
}
