package actor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// restore brings back what the log says of the host's agents. work is the context of their makers.
func (rt *Runtime) restore(ctx, work context.Context) error {
	images, err := rt.images(ctx)
	if err != nil {
		return fmt.Errorf("actor: read the log of host %q: %w", rt.cfg.Host, err)
	}
	former := map[string]bool{} // lives whose promises somebody may still hold
	var all []*past
	for _, im := range images {
		for life, last := range im.lives {
			if time.Since(last) < rt.cfg.CallTimeout+rt.cfg.Keep {
				former[life] = true
			}
		}
		all = append(all, im.past...)
		rt.inRun(im.run).become(im)
	}
	slices.SortStableFunc(all, func(a, b *past) int { return cmp.Compare(a.seq, b.seq) })
	for _, p := range all {
		rt.recall(p)
	}
	for _, incarnation := range slices.Sorted(maps.Keys(former)) {
		if err := rt.producer.Adopt(incarnation); err != nil {
			return fmt.Errorf("actor: %w", err)
		}
	}
	for _, r := range rt.inOrder() {
		r.revive(work)
	}
	return nil
}

func (rt *Runtime) inOrder() []*run {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	var out []*run
	for _, name := range slices.Sorted(maps.Keys(rt.runs)) {
		out = append(out, rt.runs[name])
	}
	return out
}

// become makes the run what an image of it says, without any agent's code.
func (r *run) become(im *image) {
	r.journal.last, r.journal.tail = im.seq, im.tail
	for _, s := range im.agents {
		a := r.newActor(s.name, s.kind, s.config, s.process, s.number)
		a.state, a.handled = s.state, s.handled
		if !s.process {
			a.self.Memory = s.memory
		}
	}
	r.next = max(r.next, im.next)
	for name, c := range im.hubs {
		h := r.hub(name)
		h.follows, h.begin, h.cursors = c.follows, c.begin, c.upto
	}
}

// recall notes the outcome of a request, and keeps the promise of a call.
func (rt *Runtime) recall(p *past) {
	r := result{data: p.data}
	switch {
	case p.code != "":
		r.err = wire.FromCode(p.code, p.text)
	case p.out != nil:
		r.out = *p.out
	}
	kept := p.task != "" && time.Since(p.at) < rt.cfg.Keep
	if kept {
		rt.producer.Restore(p.run, p.writer, p.task, r.out, r.err)
	}
	if p.key.id == "" {
		return
	}
	rt.outcomes.end(p.key, r)
	if kept {
		rt.outcomes.promised(p.key, msg.Placeholder{Run: p.run, Producer: p.writer, ID: p.task, Expires: time.Now().Add(rt.cfg.Keep)})
	}
}

// revive makes the code of the run's agents, and goes on with what they hear.
func (r *run) revive(ctx context.Context) {
	for _, a := range r.all() {
		if a.process {
			r.rt.adoptChild(ctx, a)
			continue
		}
		if a.broken = a.make(ctx); a.broken != nil {
			r.rt.log.Error("an agent cannot be brought back; it answers with this error", "run", r.name, "agent", a.name, "error", a.broken)
		}
		a.show()
	}
	for _, h := range r.allHubs() {
		h.resume(ctx)
	}
}
