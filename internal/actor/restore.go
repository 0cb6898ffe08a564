package actor

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// restore brings back what the log says of the host's agents. work is the context of their makers.
func (rt *Runtime) restore(ctx, work context.Context) error {
	filter := subjects.AnyRunLogCode(rt.cfg.Host)
	former := map[string]bool{} // lives whose promises somebody may still hold
	if something, err := rt.holds(ctx, subjects.StreamLog, filter); err != nil || !something {
		return err
	}
	err := runlog.Read(ctx, rt.js, 0, []string{filter}, func(e runlog.Entry) error {
		incarnation, err := rt.fold(e)
		if err == nil && time.Since(e.Time) < rt.cfg.CallTimeout+rt.cfg.Keep {
			former[incarnation] = true
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("actor: read the log of host %q: %w", rt.cfg.Host, err)
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

// holds reports whether a stream holds anything on subjects.
func (rt *Runtime) holds(ctx context.Context, name, filter string) (bool, error) {
	stream, err := rt.js.Stream(ctx, name)
	if err != nil {
		return false, fmt.Errorf("actor: stream %s: %w", name, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return false, fmt.Errorf("actor: stream %s: %w", name, err)
	}
	return len(info.State.Subjects) > 0, nil
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

// fold applies a record and returns the life that wrote it. A record that cannot be read ends the start: agents that are
// not what they were would go on from there.
func (rt *Runtime) fold(at runlog.Entry) (incarnation string, err error) {
	where, err := subjects.ParseLog(at.Subject)
	if err != nil {
		return "", err
	}
	h, raw, err := runlog.Decode(at.Data)
	if err == nil && (h.Kind != runlog.KindCode || h.Run != where.Run) {
		err = fmt.Errorf("%w: a %s record of run %q", runlog.ErrDamaged, h.Kind, h.Run)
	}
	var entries []*entry
	if err == nil {
		entries, err = decodeBody(raw)
	}
	if err != nil {
		return "", fmt.Errorf("record %d on %s: %w", at.Seq, at.Subject, err)
	}
	r := rt.inRun(where.Run)
	r.journal.last = at.Seq
	for _, e := range entries {
		if err := r.apply(e, h.Writer, at.Time); err != nil {
			return "", fmt.Errorf("record %d on %s: %w", at.Seq, at.Subject, err)
		}
	}
	return h.Writer, nil
}

// errAbsent says that an entry is about an agent that the log says is not there.
var errAbsent = errors.New("it is about an agent that is not there")

// apply does what an entry tells of, without any agent's code.
func (r *run) apply(e *entry, writer string, at time.Time) error {
	a := r.agents[e.agent]
	switch e.kind {
	case entryCreated:
		a = r.newActor(e.agent, e.of, e.config, e.process, e.number)
		if !e.process {
			a.self.Memory.Apply(e.change)
			a.state = e.state
		}
		r.recall(e, a.addressed())
	case entryCloned:
		from := r.agents[e.of]
		if from == nil || from.process {
			return fmt.Errorf("%w: %w: clone of %q", runlog.ErrDamaged, errAbsent, e.of)
		}
		a = r.newActor(e.agent, from.kind, from.config, false, e.number)
		if err := a.inherit(from); err != nil {
			return err
		}
		r.recall(e, a.addressed())
	case entryDeleted:
		if a != nil {
			r.forget(a)
		}
		r.recall(e, r.rt.data(map[string]any{}))
	case entryOutcome:
		if a == nil || a.process {
			return fmt.Errorf("%w: %w: %q", runlog.ErrDamaged, errAbsent, e.agent)
		}
		a.took(e)
		a.handled++
		r.outcome(a, e, writer, at)
	case entryFollow, entryHeard, entryEnded:
		r.hearAgain(e)
	}
	return nil
}

// took changes memory and state as an entry says.
func (a *actor) took(e *entry) {
	a.self.Memory.Apply(e.change)
	if e.state != nil {
		a.state = e.state
	}
}

// recall notes the outcome of a request to the host.
func (r *run) recall(e *entry, out result) {
	if e.id != "" {
		r.rt.outcomes.end(key{run: r.name, id: e.id}, out)
	}
}

// outcome notes the outcome of a request to an agent, and keeps the promise of a call.
func (r *run) outcome(a *actor, e *entry, writer string, at time.Time) {
	out := e.result(a.nothing(), wire.FromCode)
	kept := e.task != "" && time.Since(at) < r.rt.cfg.Keep
	if kept {
		r.rt.producer.Restore(r.name, writer, e.task, out.out, out.err)
	}
	if e.id == "" {
		return
	}
	k := key{r.name, a.name, e.id}
	r.rt.outcomes.end(k, out)
	if kept {
		r.rt.outcomes.promised(k, msg.Placeholder{Run: r.name, Producer: writer, ID: e.task, Expires: time.Now().Add(r.rt.cfg.Keep)})
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
