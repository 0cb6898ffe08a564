package llmproxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/openai/openai-go/v3"

	"github.com/myriad-sim/myriad/internal/llm"
)

// pump lets calls take off while there are places for them, a pool at a time in turn. mu is held.
func (o *openaiProvider) pump(ctx context.Context) {
	for stuck := 0; stuck < len(o.order) && ctx.Err() == nil; {
		p := o.order[0]
		o.order = append(o.order[1:], p)
		if !o.launch(ctx, p) {
			stuck++
			continue
		}
		stuck = 0
	}
}

// launch starts one attempt; false if the pool has no call waiting or no place for it.
func (o *openaiProvider) launch(ctx context.Context, p *pool) bool {
	if p.queue.waiting == 0 {
		return false
	}
	f, down, ok := p.board()
	if !ok {
		if down {
			o.wait(ctx, p)
		}
		return false
	}
	j := p.queue.pop()
	o.flights.Go(func() { o.fly(ctx, p, j, f) })
	return true
}

// wait notes that the calls of a pool wait for servers that are down, and looks again when one may be tested.
func (o *openaiProvider) wait(ctx context.Context, p *pool) {
	if p.down.IsZero() {
		p.down = time.Now()
	}
	if o.waking {
		return
	}
	o.waking = true
	o.timers.after(o.cfg.BreakerWait, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.waking = false
		for _, q := range append([]*pool(nil), o.order...) {
			if !q.down.IsZero() && time.Since(q.down) > o.cfg.RetryFor {
				o.giveUp(q)
			}
		}
		o.pump(ctx)
	})
}

// giveUp fails the calls that waited too long for servers that are down. mu is held.
func (o *openaiProvider) giveUp(p *pool) {
	why := fmt.Sprintf("no model server could be reached for %v: %s", o.cfg.RetryFor, p.last)
	n := p.queue.waiting
	for j := p.queue.pop(); j != nil; j = p.queue.pop() {
		j.x.complete(completion{index: j.index, err: why, retries: j.retries})
	}
	p.down = time.Time{}
	o.finish(p, n)
}

// fly makes one attempt and decides what comes next.
func (o *openaiProvider) fly(ctx context.Context, p *pool, j *job, f flight) {
	messages := j.x.body.Messages(j.x.asks[j.index])
	out := attempt(ctx, f.to, p.spec, chatMessages(j.x.system, messages))
	f.report(out.health)
	o.mu.Lock()
	defer o.mu.Unlock()
	f.to.flying--
	if !errors.Is(out.health, errSick) {
		p.down = time.Time{} // somebody is there, whatever the answer
	}
	switch {
	case out.err == nil:
		out.done.index, out.done.retries = j.index, j.retries
		j.x.complete(out.done)
		o.finish(p, 1)
	case ctx.Err() != nil: // stopping: the exchange tells the requester
		return
	default:
		o.failed(ctx, p, j, f, out)
	}
	o.pump(ctx)
}

// failed tries a call again later, or gives it up. mu is held.
func (o *openaiProvider) failed(ctx context.Context, p *pool, j *job, f flight, out outcome) {
	p.last = shorten(fmt.Sprintf("%s: %s", hostOf(f.to.url), redact(out.err.Error(), f.to.key)))
	if j.backoff == nil {
		j.since = time.Now()
		j.backoff = &backoff.ExponentialBackOff{
			InitialInterval: o.cfg.Backoff, RandomizationFactor: 0.5, Multiplier: 2, MaxInterval: o.cfg.BackoffMax,
		}
		j.backoff.Reset()
	}
	if !f.probe {
		j.attempts++ // a test whether a server is back is not the call's fault
	}
	delay := max(j.backoff.NextBackOff(), min(out.after, o.cfg.RetryAfterMax))
	late := time.Since(j.since)+delay > o.cfg.RetryFor
	if out.final || late || j.attempts >= o.cfg.MaxAttempts {
		why := p.last
		if !out.final {
			why = fmt.Sprintf("given up after %d attempts in %v: %s", j.retries+1, time.Since(j.since).Round(time.Millisecond), p.last)
		}
		if p.warned != p.last { // once, not for a million calls
			p.warned = p.last
			o.log.Warn("model calls fail", "run", j.x.run, "round", j.x.round, "model", p.spec.params.Model, "error", why)
		}
		j.x.complete(completion{index: j.index, err: why, retries: j.retries})
		o.finish(p, 1)
		return
	}
	j.retries++
	j.x.series.retries.Inc()
	o.log.Debug("model call is tried again", "run", j.x.run, "in", delay, "error", p.last)
	o.timers.after(delay, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		p.queue.addAgain(j)
		o.pump(ctx)
	})
}

// chatMessages is what a model server gets to read: the shared system prompt and the call's messages, never its facts.
func chatMessages(system string, messages []llm.Message) []openai.ChatCompletionMessageParamUnion {
	out := make([]openai.ChatCompletionMessageParamUnion, 0, len(messages)+1)
	if system != "" {
		out = append(out, openai.SystemMessage(system))
	}
	for _, m := range messages {
		switch m.Role {
		case llm.RoleSystem:
			out = append(out, openai.SystemMessage(m.Content))
		case llm.RoleAssistant:
			out = append(out, openai.AssistantMessage(m.Content))
		default:
			out = append(out, openai.UserMessage(m.Content))
		}
	}
	return out
}
