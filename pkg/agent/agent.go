package agent

import (
	"context"
	"log/slog"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Agent is the code of an agent. Its methods are called by one goroutine at a time. A promised message has been replaced by
// what was promised before a method sees it. What a method changed is kept if it returns no error, and taken back if it
// does: in the Memory always, in the agent's own fields if it is Stateful. The messages may be kept, and are not to be
// changed: others may have the same ones.
//
// ctx ends when the request is cancelled, its deadline passes, or the host stops. Whatever the agent asks others on the way
// has to get this ctx: it carries what keeps nested calls from waiting for ever.
type Agent interface {
	// Reply answers messages. A request may hold none, one, or several. The answer may be a promise.
	Reply(ctx context.Context, in ...msg.Msg) (msg.Msg, error)
	// Observe takes note of messages without answering.
	Observe(ctx context.Context, in ...msg.Msg) error
}

// Stateful is an agent with more state than its Memory. It is exported after each message; where it differs from before it
// is part of the durable record, so it should be small. JSON is a good form: people who ask for an agent's state see it.
type Stateful interface {
	// ExportState returns the state. The same state gives the same bytes.
	ExportState() ([]byte, error)
	// ImportState replaces the state by one that was exported, by this version of the code or an older one.
	ImportState(state []byte) error
}

// Interviewee is an agent that answers questions from outside in a way of its own. Others answer with Reply, and whatever
// that changed is taken back.
type Interviewee interface {
	// Interview answers without any lasting change.
	Interview(ctx context.Context, in ...msg.Msg) (msg.Msg, error)
}

// Self is what an agent knows of itself and works with. It lives as long as the agent.
type Self struct {
	Run     string
	Host    string // that serves it
	Name    string
	Kind    string
	Address subjects.Address
	Memory  *Memory
	Client  *Client      // speaks as the agent
	Log     *slog.Logger // has run, host and name
}

// Kind makes an agent. config is JSON as whoever asked for the agent gave it, nil if they gave none; a configuration that
// makes no sense is an error that says where and what. It is called again when the host comes back after a crash, with the
// Memory as it was; ImportState follows if there is a state. It must not wait for other agents.
type Kind func(ctx context.Context, self *Self, config []byte) (Agent, error)

// Spec says which agent is wanted.
type Spec struct {
	Name    string `json:"name"`              // unique on its host, within a run
	Kind    string `json:"kind"`              // registered there
	Config  any    `json:"config,omitempty"`  // anything encoding/json can write
	Process bool   `json:"process,omitempty"` // in a process of its own, which the host starts and looks after
}
