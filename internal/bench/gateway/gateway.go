package gateway

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/myriad-sim/myriad/internal/bench"
)

// Options say what to measure.
type Options struct {
	Program  string    // path of the myriad binary that is measured
	Repeat   int       // how often everything is measured, but for what takes minutes
	Only     []string  // names of parts; none means all
	Quick    bool      // everything in less than a minute, with small numbers: to see that it works
	Dir      string    // for data and, with Profiles, the profiles
	Profiles bool      // write CPU profiles of the gateway into Dir, from parts batch and single
	Log      io.Writer // told what is being measured
}

// Report is what was found.
type Report struct {
	Machine bench.Machine `json:"machine"`
	Repeat  int           `json:"repeat"`
	Quick   bool          `json:"quick"`
	Results []Result      `json:"results"`
}

// Result is what came of one measurement, repeated.
type Result struct {
	Part    string          `json:"part"`
	Case    string          `json:"case"`
	Samples []bench.Figures `json:"samples"` // one a repeat
}

// lab is where measurements are made.
type lab struct {
	program, dir string
	quick        bool
	profiles     bool
}

// Run makes all measurements, one after the other, with the repeats outermost, so that what is compared meets the same
// machine. After an error the report has what was measured until then. Errors: bench.ErrOption, bench.ErrProcess,
// bench.ErrLost, the context's cause, or those of files.
func Run(ctx context.Context, o Options) (*Report, error) {
	r := &Report{Repeat: o.Repeat, Quick: o.Quick}
	if o.Repeat < 1 {
		return r, fmt.Errorf("%w: want at least one repeat", bench.ErrOption)
	}
	l := &lab{program: o.Program, quick: o.Quick, profiles: o.Profiles}
	var err error
	if l.dir, err = filepath.Abs(o.Dir); err != nil {
		return r, fmt.Errorf("gateway: %w", err)
	}
	if err := os.MkdirAll(l.dir, 0o750); err != nil {
		return r, fmt.Errorf("gateway: %w", err)
	}
	list, err := plan(l, o.Only)
	if err != nil {
		return r, err
	}
	if r.Machine, err = bench.Inspect(ctx, l.dir, ""); err != nil {
		return r, err
	}
	fmt.Fprintln(o.Log, r.Machine)
	for _, m := range list {
		r.Results = append(r.Results, Result{Part: m.part, Case: m.name})
	}
	for repeat := range o.Repeat {
		for i, m := range list {
			if m.once && repeat > 0 {
				continue
			}
			fmt.Fprintf(o.Log, "[%d of %d] %d/%d %s: %s … ", repeat+1, o.Repeat, i+1, len(list), m.part, m.name)
			began := time.Now()
			got, err := m.measure(ctx)
			if ctx.Err() != nil {
				fmt.Fprintln(o.Log, "stopped")
				return r, context.Cause(ctx)
			}
			if err != nil {
				fmt.Fprintln(o.Log, "failed")
				return r, fmt.Errorf("%s: %s: %w", m.part, m.name, err)
			}
			r.Results[i].Samples = append(r.Results[i].Samples, got)
			fmt.Fprintf(o.Log, "%.1f s\n", time.Since(began).Seconds())
		}
	}
	return r, nil
}

// Empty reports whether nothing was measured.
func (r *Report) Empty() bool {
	return !slices.ContainsFunc(r.Results, func(was Result) bool { return len(was.Samples) > 0 })
}

// samples are those of a measurement; none if it was not made.
func (r *Report) samples(part, name string) []bench.Figures {
	for _, was := range r.Results {
		if was.Part == part && was.Case == name {
			return was.Samples
		}
	}
	return nil
}
