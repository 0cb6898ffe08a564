package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/damage"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/verify"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

type verifyCmd struct {
	ID   string `arg:"" optional:"" name:"run" help:"Id of the run." placeholder:"RUN"`
	All  bool   `help:"Verify every run there is."`
	JSON bool   `name:"json" help:"Print the reports as JSON."`
	dataFlags
}

// Help is shown by --help.
func (verifyCmd) Help() string {
	return `Reads the whole log of a run again: every checksum, the order, the digest of every round, the result hash, the population.
Exits with 1 at any damage, and names the first damaged record and what it touches. Changes nothing; a stack that runs may go on.

Examples:
  myriad verify guess-two-thirds-k7q2m4xa
  myriad verify --all --data ./myriad-data
  myriad verify --all --json --server nats://127.0.0.1:4222`
}

// Run verifies.
func (c *verifyCmd) Run(ctx context.Context, a *app) error {
	if c.All == (c.ID != "") {
		return errors.New("name a run, or give --all")
	}
	nc, done, err := c.connect(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	js, err := jetstream.New(nc)
	if err != nil {
		return fmt.Errorf("jetstream: %w", err)
	}
	var stored []damage.Note
	if c.Server == "" {
		if stored, err = bus.Inspect(ctx, c.Data); err != nil {
			return err
		}
	}
	runs := []string{c.ID}
	if c.All {
		if runs, err = everyRun(ctx, js); err != nil {
			return err
		}
	}
	bad := 0
	for _, id := range runs {
		intact, err := c.one(ctx, a, js, id, stored)
		if errors.Is(err, runlog.ErrNoRun) && !c.All {
			return fmt.Errorf("there is no run %q; `%s runs` lists them", id, invocation())
		}
		if err != nil {
			return err
		}
		if !intact {
			bad++
		}
	}
	switch {
	case bad > 0 && c.All:
		return exitCode{1, fmt.Sprintf("%d of %d runs are damaged.", bad, len(runs))}
	case bad > 0:
		return exitCode{code: 1}
	case len(runs) == 0 && !c.JSON:
		fmt.Fprintln(a.out, "No runs yet.")
	}
	return nil
}

// one verifies a run and prints what came of it.
func (c *verifyCmd) one(ctx context.Context, a *app, js jetstream.JetStream, id string, stored []damage.Note) (bool, error) {
	said := time.Now()
	r, err := verify.Run(ctx, js, id, verify.Options{Stored: stored, Progress: func(done, total uint64) {
		if time.Since(said) > 2*time.Second {
			said = time.Now()
			fmt.Fprintf(a.err, "%s: %d of about %d records\n", id, done, total)
		}
	}})
	if errors.Is(err, runlog.ErrNoRun) && c.All { // it is listed, and the log has nothing of it
		r, err = &verify.Report{Run: id, Damaged: 1, Damage: []verify.Damage{{Shard: -1, What: "the log has no record of the run"}}}, nil
	}
	if err != nil {
		return false, err
	}
	if c.JSON {
		return r.Intact, json.NewEncoder(a.out).Encode(r)
	}
	hash := "none yet"
	if r.Hash != "" {
		hash = r.Hash
	}
	if r.Intact {
		fmt.Fprintf(a.out, "%s: intact: %d records, %d rounds, %d answers, population of %d, result hash %s (%v)\n",
			r.Run, r.Records, r.Rounds, r.Answers, r.People, hash, r.Took.Round(time.Millisecond))
	} else {
		fmt.Fprintf(a.out, "%s: DAMAGED: %d of %d records; whole up to round %d, result hash up to there %s\n",
			r.Run, r.Damaged, r.Records, r.Rounds, hash)
		for i, d := range r.Damage {
			if i == 10 {
				fmt.Fprintf(a.out, "  … and %d more; --json lists up to %d\n", len(r.Damage)-i, verify.MaxListed)
				break
			}
			fmt.Fprintf(a.out, "  %v\n", d)
		}
		fmt.Fprintf(a.out, "  The run is not gone on with. A backup of the data directory has it back; or start it anew, or from a round before the damage:\n"+
			"  %s fork %s --at-round %d\n", invocation(), r.Run, r.Before)
	}
	for _, remark := range r.Remarks {
		fmt.Fprintf(a.out, "  %s\n", remark)
	}
	return r.Intact, nil
}

// everyRun lists the runs that the log or the list of runs has.
func everyRun(ctx context.Context, js jetstream.JetStream) ([]string, error) {
	var out []string
	seen := map[string]bool{}
	add := func(id string) {
		if !seen[id] {
			seen[id] = true
			out = append(out, id)
		}
	}
	filters := []string{subjects.AnyRunCtlKind(subjects.KindCreated), subjects.AnyRunCtlKind(subjects.KindDamaged)}
	err := runlog.Read(ctx, js, 0, filters, func(e runlog.Entry) error {
		if at, err := subjects.ParseLog(e.Subject); err == nil && e.Subject != damage.Unplaced() {
			add(at.Run)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	kv, err := js.KeyValue(ctx, subjects.BucketRuns)
	if err != nil {
		return nil, fmt.Errorf("bucket %s: %w", subjects.BucketRuns, err)
	}
	list, err := control.List(ctx, kv)
	for _, i := range list {
		add(i.ID)
	}
	return out, err
}
