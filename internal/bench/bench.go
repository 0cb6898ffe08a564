package bench

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Options say what to measure.
type Options struct {
	Program string        // path of the myriad binary that is measured
	Sizes   []int         // numbers of agents
	Repeat  int           // how often everything is measured
	Only    []string      // names of parts; none means all that are not reserved for Full
	Full    bool          // also the long parts
	Latency time.Duration // of the model, and what the baselines sleep
	Dir     string        // where data is put for the time of a measurement; the disk matters
	Log     io.Writer     // told what is being measured
}

// Report is what a benchmark found.
type Report struct {
	Machine Machine  `json:"machine"`
	Latency float64  `json:"latency_seconds"` // of the model
	Repeat  int      `json:"repeat"`
	Results []Result `json:"results"`
}

// Result is what came of one measurement, repeated.
type Result struct {
	Part    string    `json:"part"`
	Agents  int       `json:"agents"`
	Hosts   int       `json:"hosts,omitempty"`
	Samples []Figures `json:"samples"`           // one a repeat
	Skipped string    `json:"skipped,omitempty"` // why there are none
}

// Run makes all measurements, one after the other, with the repeats outermost, so that what changes on the machine
// meanwhile meets all alike. After an error the report has what was measured until then. Errors: ErrOption, ErrProcess,
// ErrLost, the context's cause, or those of files.
func Run(ctx context.Context, o Options) (*Report, error) {
	r := &Report{Latency: o.Latency.Seconds(), Repeat: o.Repeat}
	if o.Repeat < 1 || o.Latency <= 0 {
		return r, fmt.Errorf("%w: want at least one repeat, and a latency above zero", ErrOption)
	}
	jobs, err := plan(o)
	if err != nil {
		return r, err
	}
	l := &lab{program: o.Program, latency: o.Latency}
	if l.dir, err = filepath.Abs(o.Dir); err != nil {
		return r, fmt.Errorf("bench: %w", err)
	}
	if err := os.MkdirAll(l.dir, 0o750); err != nil {
		return r, fmt.Errorf("bench: %w", err)
	}
	if l.python, err = exec.LookPath("python3"); err != nil {
		l.python = "" // said where it would be used
	}
	if r.Machine, err = Inspect(ctx, l.dir, l.python); err != nil {
		return r, err
	}
	fmt.Fprintln(o.Log, r.Machine)
	for _, j := range jobs {
		r.Results = append(r.Results, Result{Part: j.part.name, Agents: j.agents, Hosts: j.hosts})
	}
	for repeat := range o.Repeat {
		for i, j := range jobs {
			fmt.Fprintf(o.Log, "%s %s … ", progress(repeat*len(jobs)+i+1, o.Repeat*len(jobs)), j)
			began := time.Now()
			switch err := r.measure(ctx, l, i, j); {
			case ctx.Err() != nil:
				fmt.Fprintln(o.Log, "stopped")
				return r, context.Cause(ctx)
			case err != nil:
				fmt.Fprintln(o.Log, "failed")
				return r, fmt.Errorf("%s: %w", j, err)
			case r.Results[i].Skipped != "":
				fmt.Fprintf(o.Log, "not measured: %s\n", r.Results[i].Skipped)
			default:
				fmt.Fprintf(o.Log, "%.1f s\n", time.Since(began).Seconds())
			}
		}
	}
	return r, nil
}

// measure makes one measurement, or finds that it cannot be made.
func (r *Report) measure(ctx context.Context, l *lab, i int, j job) error {
	at := &r.Results[i]
	if len(at.Samples) == 0 { // what the first repeat measured the others do, so that repeats can be compared
		at.Skipped = r.foresee(j, float64(r.Machine.Free))
	}
	if j.part.name == "asyncio" && l.python == "" {
		at.Skipped = "there is no python3 on this machine"
	}
	if at.Skipped != "" {
		return nil
	}
	got, err := j.part.measure(l, ctx, j)
	if err != nil {
		return err
	}
	at.Samples = append(at.Samples, got)
	return nil
}

// String names a job in the progress.
func (j job) String() string {
	out := j.part.name
	if j.agents > 0 {
		out += ", " + grouped(j.agents) + " agents"
	}
	if j.hosts > 1 || j.part.name == "scaleout" {
		out += fmt.Sprintf(", hosts: %d", j.hosts)
	}
	return out
}

func progress(at, of int) string { return fmt.Sprintf("[%*d/%d]", len(fmt.Sprint(of)), at, of) }

// samples are those of a measurement; none if it was not made.
func (r *Report) samples(part string, agents, hosts int) []Figures {
	for _, was := range r.Results {
		if was.Part == part && was.Agents == agents && was.Hosts == hosts {
			return was.Samples
		}
	}
	return nil
}

// Empty reports whether nothing was measured.
func (r *Report) Empty() bool {
	for _, was := range r.Results {
		if len(was.Samples) > 0 {
			return false
		}
	}
	return true
}
