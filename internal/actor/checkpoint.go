package actor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// images returns what the log says of the host's agents, by run. What a checkpoint covers is not read.
func (rt *Runtime) images(ctx context.Context) (map[string]*image, error) {
	all := subjects.AnyRunLogCode(rt.cfg.Host)
	logged, err := rt.logged(ctx, subjects.StreamLog, all)
	if err != nil || len(logged) == 0 {
		return nil, err
	}
	records := uint64(0)
	for _, n := range logged {
		records += n
	}
	var away map[string]bool
	if records >= uint64(rt.tailRecords)/100 { //nolint:gosec // fewer are read at once, whatever checkpoints there may be
		begin, end, _ := strings.Cut(all, "*")
		if away, err = rt.checkpoints.Subjects(ctx, begin, end); err != nil && ctx.Err() == nil {
			rt.log.Warn("checkpoints not listed; the whole log is read", "error", err)
		}
	}
	out := map[string]*image{}
	for subject := range logged {
		if away[subject] {
			im, err := rt.image(ctx, subject)
			if err != nil {
				return nil, err
			}
			out[im.run] = im
			delete(logged, subject)
		}
	}
	rest := []string{all} // which the broker finds faster than many names
	if len(out) > 0 {
		rest = slices.Sorted(maps.Keys(logged))
	}
	if len(rest) == 0 {
		return out, nil
	}
	return out, runlog.Read(ctx, rt.js, 0, rest, func(e runlog.Entry) error {
		where, err := subjects.ParseLog(e.Subject)
		if err != nil {
			return err
		}
		im := out[where.Run]
		if im == nil {
			im = newImage(where.Run, rt.cfg)
			out[where.Run] = im
		}
		return im.apply(e)
	})
}

// image is what one subject of the log says: as the newest checkpoint has it, and then the records after that.
func (rt *Runtime) image(ctx context.Context, subject string) (*image, error) {
	where, err := subjects.ParseLog(subject)
	if err != nil {
		return nil, err
	}
	im := newImage(where.Run, rt.cfg)
	err = rt.checkpoints.Load(ctx, subject, func(seq uint64, state []byte) error {
		got, err := unpackImage(where.Run, rt.cfg, seq, state)
		if err == nil {
			im = got
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return im, runlog.Read(ctx, rt.js, im.seq+1, []string{subject}, im.apply)
}

// save writes a checkpoint of a run, in the background and one at a time. It is made of the log and not of the agents, which
// are ahead of it and go on: so it is what the log says.
func (rt *Runtime) save(ctx context.Context, j *journal) {
	j.tail.Begin()
	work := func() {
		size := 0
		defer func() { j.tail.Done(size) }()
		select {
		case rt.saving <- struct{}{}:
			defer func() { <-rt.saving }()
		case <-ctx.Done():
			return
		}
		im, err := rt.image(ctx, j.subject)
		var data []byte
		if err == nil {
			data, err = im.pack(time.Now())
		}
		if err == nil {
			err = rt.checkpoints.Save(ctx, j.subject, im.seq, data)
		}
		switch {
		case err == nil:
			size = len(data)
			rt.log.Debug("checkpoint of agents", "run", j.run, "record", im.seq, "bytes", size)
		case ctx.Err() == nil:
			rt.log.Warn("no checkpoint of agents", "run", j.run, "error", err)
		}
	}
	if !rt.spawn(work) {
		j.tail.Done(0)
	}
}

// logged lists the subjects of a stream that match a filter, with how many records each has.
func (rt *Runtime) logged(ctx context.Context, name, filter string) (map[string]uint64, error) {
	stream, err := rt.js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("actor: stream %s: %w", name, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, fmt.Errorf("actor: stream %s: %w", name, err)
	}
	return info.State.Subjects, nil
}
