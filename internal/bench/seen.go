package bench

import (
	"context"
	"fmt"

	"github.com/shirou/gopsutil/v4/process"
)

// Figures of what is measured elsewhere are printed like those here.

// Cell prints what repeated measurements gave: the median, and the lowest and highest where they differ.
func Cell(values []float64) string { return series(values).cell(short) }

// Grouped prints a whole number.
func Grouped(n int) string { return grouped(n) }

// Seen is what the kernel says of a process that runs.
type Seen struct {
	CPU      float64 // seconds of all cores since its start, user and system
	Resident float64 // bytes of memory
}

// See looks at the process, which must be running.
func (p *Process) See(ctx context.Context) (Seen, error) {
	it, err := process.NewProcessWithContext(ctx, int32(p.cmd.Process.Pid)) //nolint:gosec // pids are small
	if err != nil {
		return Seen{}, fmt.Errorf("%w: %s: %w", ErrProcess, p.name(), err)
	}
	times, err := it.TimesWithContext(ctx)
	if err != nil {
		return Seen{}, fmt.Errorf("%w: %s: %w", ErrProcess, p.name(), err)
	}
	memory, err := it.MemoryInfoWithContext(ctx)
	if err != nil {
		return Seen{}, fmt.Errorf("%w: %s: %w", ErrProcess, p.name(), err)
	}
	return Seen{CPU: times.User + times.System, Resident: float64(memory.RSS)}, nil
}
