package agenthost

import (
	"context"
	"fmt"
	"strings"

	"github.com/myriad-sim/myriad/internal/llm"
)

// converse asks the agent's model about something said to the agent, who is held by the caller.
func (r *run) converse(ctx context.Context, s *shard, agent int, said string) (string, error) {
	r.mu.Lock()
	now := r.current
	r.mu.Unlock()
	if now == nil {
		return "", errNoRound
	}
	rounds, err := r.remembered(ctx, s)
	if err != nil {
		return "", err
	}
	block := r.block(agent)
	v := new(view)
	past := s.remembers(v, rounds, agent, -1)
	messages, err := now.prompts.Talk(r.scenario, v, block, past, said)
	if err != nil {
		return "", err
	}
	call := llm.Call{Agent: uint64(agent), Messages: messages} //nolint:gosec // agent numbers are positive
	if now.persona[block] {
		call.Persona = r.population.Attributes(agent)
	}
	req := &llm.Request{
		V: llm.Version, ID: r.svc.asker.newID(), Run: r.id, Round: now.number, Model: now.models[block], Purpose: llm.PurposeInterview,
		System: now.prompts.SharedSystem(block), Facts: now.facts[0], Calls: []llm.Call{call},
		Budget: r.budget(block),
	}
	if end, ok := ctx.Deadline(); ok {
		req.Deadline = end.UnixMilli()
	}
	data, err := llm.EncodeRequest(req)
	if err != nil {
		return "", err
	}
	c := make(conversation, 1)
	r.svc.asker.bytes.force(int64(len(data)))
	if err := r.svc.asker.send(now.subjects[block], req.ID, data, c); err != nil {
		return "", err
	}
	select {
	case got := <-c:
		return got.text, got.err
	case <-ctx.Done():
		return "", fmt.Errorf("the agent's model did not answer: %w", context.Cause(ctx))
	}
}

// conversation is a single call. Only what comes of it first counts.
type conversation chan spoken

type spoken struct {
	text string
	err  error
}

func (c conversation) result(r *llm.Result) {
	switch {
	case len(r.Index) == 0:
		c.end(spoken{err: errProxyShort})
	case len(r.Error) > 0 && r.Error[0] != "":
		c.end(spoken{err: fmt.Errorf("the agent's model failed: %s", r.Error[0])})
	default:
		c.end(spoken{text: strings.ToValidUTF8(clip(r.Text[0]), "\uFFFD")})
	}
}

func (c conversation) again(why error) { c.end(spoken{err: why}) }

func (c conversation) end(s spoken) {
	select {
	case c <- s:
	default:
	}
}

func (c conversation) tick() {}
