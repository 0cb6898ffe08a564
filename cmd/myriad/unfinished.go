package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// unfinished says which runs of a data directory go on by themselves now that its stack is up, and which wait to be resumed:
// "" or lines. The list of runs may be behind the log, which decides; a run whose log cannot be read is left to who plays it.
func unfinished(ctx context.Context, nc *nats.Conn, dir string) (string, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return "", fmt.Errorf("jetstream: %w", err)
	}
	kv, err := js.KeyValue(ctx, subjects.BucketRuns)
	if err != nil {
		return "", fmt.Errorf("bucket %s: %w", subjects.BucketRuns, err)
	}
	list, err := control.List(ctx, kv)
	if err != nil {
		return "", err
	}
	var going, paused []string
	for _, i := range list {
		if i.Over() {
			continue
		}
		switch st, err := runlog.ReadControl(ctx, js, i.ID); {
		case err != nil || st.Phase.Over():
		case st.Paused && !st.Waiting:
			paused = append(paused, i.ID)
		default:
			going = append(going, i.ID)
		}
	}
	out := ""
	if n := len(going); n > 0 {
		out = plural(n, "unfinished run goes on", "unfinished runs go on") + ": " + some(going) + "\n"
	}
	if n := len(paused); n > 0 {
		resume := invocation() + " resume " + paused[0]
		if dir != "./myriad-data" {
			resume += " --data " + quote(dir)
		}
		out += plural(n, "run is paused", "runs are paused") + ": " + some(paused) + "; go on with: " + resume + "\n"
	}
	return out, nil
}

// some are names, not too many of them.
func some(names []string) string {
	const most = 5
	if len(names) > most {
		return strings.Join(names[:most], ", ") + fmt.Sprintf(" and %d more", len(names)-most)
	}
	return strings.Join(names, ", ")
}
