package verify

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Options say what else is known and who wants to know.
type Options struct {
	// Stored is what bus.Inspect found in the files, where they are at hand: the server leaves out what it cannot read and
	// says nothing.
	Stored []damage.Note
	// Progress, if not nil, is called now and then with how many records were read, of about how many.
	Progress func(done, total uint64)
}

// apiTimeout bounds one request to the server, and the reading of the population.
const apiTimeout = 10 * time.Second

// Run verifies one run. The report says what it found; an error is that it could not look: runlog.ErrNoRun if the server has
// nothing of such a run, the context's, or the server's. It may be called while the run goes on, and then speaks of what was
// there at the call.
func Run(ctx context.Context, js jetstream.JetStream, run string, o Options) (*Report, error) {
	begun := time.Now()
	c := &check{
		Report: Report{Run: run}, js: js, stored: o.Stored, progress: o.Progress,
		fold: runlog.NewFold(run, runlog.WithAnswers()), read: map[string]uint64{},
	}
	stream, err := c.server(ctx)
	if err != nil {
		return nil, err
	}
	if err := runlog.ReadRun(ctx, js, run, runlog.RunSubjects, c.record); err != nil {
		return nil, fmt.Errorf("verify run %s: %w", run, err)
	}
	if err := c.unread(ctx, stream); err != nil {
		return nil, err
	}
	if err := c.unplaced(ctx); err != nil {
		return nil, err
	}
	c.files()
	if c.Records == 0 && c.Damaged == 0 {
		return nil, fmt.Errorf("%w: %q", runlog.ErrNoRun, run)
	}
	c.people(ctx)
	c.conclude()
	c.Took = time.Since(begun)
	return &c.Report, nil
}

// check is the verification of one run.
type check struct {
	Report
	js       jetstream.JetStream
	stored   []damage.Note
	progress func(done, total uint64)
	fold     *runlog.Fold
	stopped  error             // why the fold takes no more
	doubts   []Damage          // records that were dropped in the open round; its end tells whether they counted once
	claimed  map[string]uint64 // records by subject, as the server has it
	total    uint64
	read     map[string]uint64 // records by subject, as they came
	begun    uint64            // sequence of the first record of the run itself
	over     uint64            // of the record that ended it
	round    int
}

// server asks what the server believes to have of the run.
func (c *check) server(ctx context.Context) (jetstream.Stream, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	stream, err := c.js.Stream(ctx, subjects.StreamLog)
	if err != nil {
		return nil, fmt.Errorf("verify run %s: stream %s: %w", c.Run, subjects.StreamLog, err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter(subjects.LogAll(c.Run)))
	if err != nil {
		return nil, fmt.Errorf("verify run %s: stream %s: %w", c.Run, subjects.StreamLog, err)
	}
	c.claimed = info.State.Subjects
	for _, n := range c.claimed {
		c.total += n
	}
	return stream, nil
}

// record takes in one record of the log.
func (c *check) record(e runlog.Entry) error {
	c.Records++
	c.Bytes += uint64(len(e.Data))
	c.read[e.Subject]++
	if c.progress != nil && c.Records%256 == 0 {
		c.progress(c.Records, max(c.total, c.Records))
	}
	at, err := subjects.ParseLog(e.Subject)
	if err != nil {
		c.add(c.about(e.Seq, e.Subject, err.Error()))
		return nil
	}
	if c.begun == 0 && at.Run == c.Run {
		c.begun = e.Seq
	}
	if n, ok := damage.Read(e.Data); ok {
		c.note(n, e)
		return nil
	}
	switch at.Class {
	case subjects.ClassMessage, subjects.ClassCode, subjects.ClassEnv:
		h, _, err := runlog.Decode(e.Data) // the fold does not look into them
		if err == nil && (h.Run != at.Run || h.Kind != at.Class) {
			err = fmt.Errorf("it is a %s record of run %q", h.Kind, h.Run)
		}
		if err != nil {
			c.add(c.about(e.Seq, e.Subject, err.Error()))
		}
		return nil
	}
	if c.stopped != nil {
		return c.after(at, e)
	}
	dropped, told := c.fold.FaultCount, len(c.fold.Faults)
	h, err := c.fold.Apply(e)
	if errors.Is(err, runlog.ErrDigest) {
		c.counted()
	}
	switch {
	case err != nil && c.Damaged > 0:
		c.stopped = err // what was found before is the cause
	case err != nil:
		c.stopped = err
		c.add(c.about(e.Seq, e.Subject, err.Error()))
	case c.fold.FaultCount > dropped && at.Class != subjects.ClassControl:
		what := "it cannot be read"
		if n := len(c.fold.Faults); n > told {
			what = c.fold.Faults[n-1].What
		}
		c.doubts = append(c.doubts, c.about(e.Seq, e.Subject, what))
		if len(c.doubts) > MaxListed {
			c.uncounted()
		}
	case at.Kind == subjects.KindOpened || at.Kind == subjects.KindClosed:
		c.uncounted()
	}
	c.control(at, h, e.Seq)
	return nil
}

// counted is called when a round's answers are not those it was closed with: records that were dropped in it are why.
func (c *check) counted() {
	for _, d := range c.doubts {
		c.add(d)
	}
	c.doubts = nil
}

// uncounted is called when dropped records have turned out to be of no round.
func (c *check) uncounted() {
	for _, d := range c.doubts {
		if c.Dropped++; c.Dropped <= MaxListed {
			c.Remarks = append(c.Remarks, "dropped, and not counted when it came either: "+d.What)
		}
	}
	c.doubts = nil
}

// after looks at records behind the point up to which the log makes sense: each must be whole all the same.
func (c *check) after(at subjects.Log, e runlog.Entry) error {
	h, _, err := runlog.Decode(e.Data)
	if err != nil && at.Class == subjects.ClassControl {
		c.add(c.about(e.Seq, e.Subject, err.Error()))
	} else if err != nil {
		c.Dropped++
	}
	c.control(at, h, e.Seq)
	return nil
}

// control keeps track of what the run does, whether or not the fold still does.
func (c *check) control(at subjects.Log, h runlog.Header, seq uint64) {
	switch at.Kind {
	case subjects.KindOpened:
		c.round = h.Round
	case subjects.KindFinished, subjects.KindCancelled, subjects.KindFailed:
		c.over = seq
	}
}

// note takes in what stands for a record that was damaged on disk.
func (c *check) note(n damage.Note, e runlog.Entry) {
	d := c.about(cmp.Or(n.First, e.Seq), n.Subject, n.Where())
	d.Last = max(d.First, n.Last)
	c.add(d)
	if at, err := subjects.ParseLog(n.Subject); err == nil && at.Class == subjects.ClassControl && c.stopped == nil {
		c.stopped = fmt.Errorf("%w: control record %d", runlog.ErrLost, d.First) // nothing after it can be judged
	}
}

// about describes damage at a record.
func (c *check) about(seq uint64, subject, what string) Damage {
	d := Damage{First: seq, Last: seq, Subject: subject, What: what, Shard: -1}
	at, err := subjects.ParseLog(subject)
	if err != nil {
		return d
	}
	switch at.Class {
	case subjects.ClassAnswer, subjects.ClassAsked, subjects.ClassMessage:
		d.Shard, d.Round = at.Shard, c.round
	}
	if at.Class == subjects.ClassAnswer && at.Shard < c.fold.Shards() {
		first, end := c.fold.ShardAgents(at.Shard)
		d.Agents = end - first
	}
	return d
}

// people checks the population.
func (c *check) people(ctx context.Context) {
	if c.fold.Population == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	pop, err := remote.Load(ctx, c.js, c.fold.Population)
	if errors.Is(err, context.DeadlineExceeded) {
		err = fmt.Errorf("it cannot be read to its end: %w", err)
	}
	if err != nil {
		c.add(Damage{What: fmt.Sprintf("the population: %v", err), Shard: -1})
		return
	}
	c.People = pop.Size()
}

// conclude says how far the run is proven.
func (c *check) conclude() {
	c.uncounted()
	c.State = c.fold.Status()
	c.Rounds = len(c.fold.Rounds)
	c.Answers = c.fold.Accepted
	c.Hash = hex.EncodeToString(c.fold.Chain)
	c.Intact = c.Damaged == 0
	slices.SortStableFunc(c.Damage, func(a, b Damage) int { return cmp.Compare(a.First, b.First) })
	for _, r := range c.fold.Rounds {
		if c.Intact || r.EnvSeq > 0 && r.EnvSeq < c.Damage[0].First {
			c.Before++
		}
	}
	if !c.Intact && c.stopped != nil {
		c.Remarks = append(c.Remarks, fmt.Sprintf("nothing after round %d is proven: %v", c.Rounds, c.stopped))
	}
}
