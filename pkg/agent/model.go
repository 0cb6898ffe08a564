package agent

import (
	"context"
	"fmt"

	"github.com/myriad-sim/myriad/internal/chat"
	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Message is one message of a conversation with a model.
type Message struct {
	Role    msg.Role // not empty
	Content string
}

// Completion is what a model said.
type Completion struct {
	Text      string
	Cut       bool   // Text ended at a limit of length, perhaps in the middle of a word
	TokensIn  uint32 // of what was asked
	TokensOut uint32 // of Text
	Served    string // the model, as its server names it
}

// Complete asks a language model through the gateway, on the account of the run. It waits as long as ctx lets it: a gateway
// that is busy or falls silent is asked again. Other errors are ErrModelBudget, ErrModelRefused, ErrModelRejected,
// ErrModelFailed, ErrUnavailable where no gateway runs, ErrTooLarge, and ErrBadRequest for a model that cannot speak, such as
// a player of games.
func (c *Client) Complete(ctx context.Context, model *scenario.Model, messages []Message) (Completion, error) {
	caller, err := c.modelCaller()
	if err != nil {
		return Completion{}, err
	}
	ask := chat.Ask{Run: c.run, Model: model, Messages: make([]llm.Message, len(messages))}
	for i, m := range messages {
		ask.Messages[i] = llm.Message{Role: string(m.Role), Content: m.Content}
	}
	return wire.Wait(ctx, func() (Completion, error) {
		got, err := caller.Complete(ctx, ask)
		return Completion(got), err
	})
}

// modelCaller is made for the first call.
func (s *shared) modelCaller() (*chat.Caller, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.isClosed() {
		return nil, errClosed
	}
	if s.caller == nil {
		caller, err := chat.New(s.nc, s.log)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		s.caller = caller
	}
	return s.caller, nil
}
