package agenthost

import (
	"errors"
	"slices"
	"sync"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/prompt"
)

// writer writes requests and hashes what they ask.
type writer struct {
	llm.RequestWriter
	hash hasher
	view view
}

var writers = sync.Pool{New: func() any { return new(writer) }}

// Content ends a message, which is part of what is hashed.
func (w *writer) Content(buf []byte) []byte {
	text := w.RequestWriter.Content(buf)
	w.hash.content(text)
	return text
}

// Attach adds what goes with the content; it is hashed with it.
func (w *writer) Attach(parts []byte) {
	w.hash.content(parts)
	w.RequestWriter.Attach(parts)
}

// Message begins a message.
func (w *writer) Message(role string) []byte {
	w.hash.role(role)
	return w.RequestWriter.Message(role)
}

// Cancel takes the message back.
func (w *writer) Cancel() {
	w.RequestWriter.Cancel()
	w.hash.cancel()
}

var errStopping = errors.New("the host stops")

// send asks for the calls of a batch, however much is in flight: it is for those who take results, which others wait for.
func (r *run) send(b *batch) {
	r.sendWhen(b, func(n int64) bool {
		r.svc.asker.bytes.force(n)
		return true
	})
}

// sendWhen asks for the calls of a batch, in as many requests as the byte limit needs, each when admit has taken its bytes.
// The agents' turns are claimed; where nothing may be asked any more they are given back.
func (r *run) sendWhen(b *batch, admit func(bytes int64) bool) {
	w := writers.Get().(*writer)
	defer writers.Put(w)
	for from := 0; from < len(b.agents); {
		if !r.may(b) || !r.owns(b.shard) {
			r.giveBack(b, b.agents[from:])
			return
		}
		n, err := r.sendPart(w, b, from, admit)
		if err != nil {
			if !errors.Is(err, errStopping) {
				r.giveUp(err.Error())
			}
			r.giveBack(b, b.agents[from:])
			return
		}
		from += n
	}
}

// sendPart asks for the calls of a batch from a position on, as many as fit into one request.
func (r *run) sendPart(w *writer, b *batch, from int, admit func(bytes int64) bool) (int, error) {
	id := r.svc.asker.newID()
	shas, err := r.write(w, id, b, from)
	if err != nil {
		return 0, err
	}
	n := w.Calls()
	part := b
	if n < len(b.agents) {
		part = b.part(from, from+n)
	}
	part.shas = shas
	if part.purpose == llm.PurposeAnswer && !part.asked {
		if err := r.logAsked([]*batch{part}); err != nil {
			return 0, err
		}
	}
	data, err := w.Bytes()
	if err != nil {
		return 0, err
	}
	if !admit(int64(len(data))) {
		return 0, errStopping
	}
	part.begin()
	err = r.svc.asker.send(b.round.subjects[b.block], id, data, part)
	if errors.Is(err, errNotSent) {
		part.again(err)
		return n, nil
	}
	return n, err
}

// write writes the request for the agents of a batch from a position on, and returns the hashes of what first asks send.
func (r *run) write(w *writer, id uint64, b *batch, from int) (shas []uint64, err error) {
	now := b.round
	head := llm.Request{ID: id, Run: r.id, Round: now.number, Model: now.models[b.block], Purpose: b.purpose, Facts: now.facts[b.question], Budget: r.budget(b.block)}
	if b.purpose != llm.PurposeExtract {
		head.System = now.prompts.SharedSystem(b.block)
	}
	w.Reset(&head)
	w.hash.begin(head.System)
	if b.purpose == llm.PurposeAnswer {
		shas = make([]uint64, 0, len(b.agents)-from)
	}
	innocent := b.question == 0 && b.shard.innocent()
	start := w.Size()
	for at := from; at < len(b.agents); at++ {
		agent, attempt := b.agents[at], now.attempt
		if b.items != nil {
			attempt = b.items[at].attempt
		}
		w.hash.next()
		w.Begin(uint64(agent), attempt) //nolint:gosec // agent numbers are positive
		if err := b.write(w, at, innocent); err != nil {
			return nil, err
		}
		var persona map[string]string
		if now.persona[b.block] {
			persona = r.population.Attributes(agent)
		}
		var own map[string]float64
		if now.own[b.block] {
			own = w.view.own()
		}
		w.End(persona, own)
		if at > from && w.Size()-start > llm.ChunkBytes {
			w.Drop()
			break
		}
		if b.purpose == llm.PurposeAnswer {
			shas = append(shas, w.hash.sum())
		}
	}
	return shas, nil
}

// write writes what the call of the agent at a position sends, without a shared system prompt. An innocent agent brings
// nothing along.
func (b *batch) write(w *writer, at int, innocent bool) error {
	s, agent := b.shard, b.agents[at]
	var past prompt.Past
	if innocent {
		w.view = view{s: s, agent: agent, rounds: b.rounds, at: len(b.rounds) - 1}
	} else {
		past = s.remembers(&w.view, b.rounds, agent, b.question)
	}
	prompts, reader := b.round.prompts, b.round.readers[b.question]
	if b.purpose != llm.PurposeExtract {
		if err := prompts.Write(w, s.run.scenario, &w.view, b.block, b.question, past); err != nil || b.purpose == llm.PurposeAnswer {
			return err
		}
		say(w, llm.RoleAssistant, b.items[at].reply)
		say(w, llm.RoleUser, reader.ReaskPrompt(b.items[at].problem))
		return nil
	}
	asked, err := prompts.Messages(s.run.scenario, &w.view, b.block, b.question, past)
	if err != nil {
		return err
	}
	for _, m := range reader.ExtractionPrompt(asked[len(asked)-1].Content, b.items[at].reply) {
		say(w, m.Role, m.Content)
	}
	return nil
}

func say(w *writer, role, text string) { w.Content(append(w.Message(role), text...)) }

// followUp sends the calls that items need after their last completion, by purpose. All are sorted before the first is
// sent: an item that is sent belongs to whoever takes its result.
func (r *run) followUp(b *batch, items []*item) {
	byPurpose := map[uint8][]*item{}
	for _, it := range items {
		byPurpose[it.purpose] = append(byPurpose[it.purpose], it)
	}
	for purpose, list := range byPurpose {
		slices.SortFunc(list, func(a, c *item) int { return a.agent - c.agent }) // they came as models answered
		r.send(newLater(b, purpose, list))
	}
}

// giveBack ends the turns of agents without an answer; they are asked again when the run may ask.
func (r *run) giveBack(b *batch, agents []int) {
	r.release(b.shard, b.block, agents)
}

// retry sees to it that the agents whose calls are open in a batch are asked again. They stay in their turn for a while
// first: a proxy that is busy or not there would otherwise be asked over and over.
func (r *run) retry(b *batch, why error) {
	var open []int
	for at, o := range b.open {
		if o {
			open = append(open, at)
			b.open[at] = false
		}
	}
	b.left = 0
	if len(open) == 0 {
		return
	}
	rest := b.pick(open)
	if errors.Is(why, errBudget) {
		r.spent(why.Error())
		r.giveBack(rest, rest.agents)
		return
	}
	if errors.Is(why, errProxyRefuse) || errors.Is(why, errProxyBroken) {
		r.trouble(b.block, why.Error())
		r.giveBack(rest, rest.agents)
		return
	}
	if errors.Is(why, errProxyLost) {
		r.faults.add(r.svc.cfg.Lost, len(open))
	}
	r.logger.Debug("model calls go out again", "round", b.round.number, "calls", len(open), "why", why)
	untaken := errors.Is(why, errUntaken)
	r.svc.asker.postpone(b.tries, func() {
		if !untaken {
			r.giveBack(rest, rest.agents)
			return
		}
		rest.tries++ // nobody has seen the calls: these are the first that count
		r.send(rest)
	})
}
