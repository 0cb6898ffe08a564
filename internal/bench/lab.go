package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

// lab is where measurements are made.
type lab struct {
	program string        // the myriad binary, absolute
	python  string        // python3, "" where there is none
	dir     string        // on the disk that is measured
	latency time.Duration // of the model, and what the baselines sleep
}

// within gives a measurement a directory of its own and removes it afterwards.
func (l *lab) within(do func(dir string) (Figures, error)) (Figures, error) {
	dir, err := os.MkdirTemp(l.dir, "myriad-bench-")
	if err != nil {
		return nil, fmt.Errorf("bench: %w", err)
	}
	out, err := do(dir)
	if gone := os.RemoveAll(dir); gone != nil {
		err = errors.Join(err, fmt.Errorf("bench: %w", gone))
	}
	return out, err
}

// run runs a program to its end, and reads its stdout as one JSON value.
func run(ctx context.Context, dir string, into any, program string, args ...string) (Figures, error) {
	p, err := Start(ctx, dir, nil, program, args...)
	if err != nil {
		return nil, err
	}
	took, err := p.Wait(ctx)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal([]byte(p.Out.Text()), into); err != nil {
		return nil, fmt.Errorf("%w: %s: its output is not what it should be: %w", ErrProcess, p.name(), err)
	}
	return took, nil
}
