package bench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/shirou/gopsutil/v4/disk"
	"github.com/shirou/gopsutil/v4/host"
	"github.com/shirou/gopsutil/v4/mem"
)

// Machine says where a benchmark ran.
type Machine struct {
	Cores      int     `json:"cores"` // that Go uses
	Memory     uint64  `json:"memory_bytes"`
	Free       uint64  `json:"free_bytes"` // at the start
	OS         string  `json:"os"`
	Go         string  `json:"go"`
	Python     string  `json:"python"` // path of python3; "" where there is none
	Filesystem string  `json:"filesystem"`
	Sync       float64 `json:"sync_seconds"` // of 4 KiB, the median of syncs
}

// String is the machine in a line.
func (m Machine) String() string {
	out := fmt.Sprintf("%d cores, %.1f GiB of memory (%.1f free), %s, %s; %s, a sync takes %.2f ms",
		m.Cores, float64(m.Memory)/(1<<30), float64(m.Free)/(1<<30), m.OS, m.Go, m.Filesystem, m.Sync*1e3)
	if m.Filesystem == "tmpfs" {
		out += " (in memory: figures with a real disk are not these; choose one with --dir)"
	}
	return out
}

// syncs is how many writes the latency of the disk is measured with.
const syncs = 51

// Inspect looks at this machine and at the disk that a directory is on.
func Inspect(ctx context.Context, dir, python string) (Machine, error) {
	m := Machine{Cores: runtime.GOMAXPROCS(0), Go: runtime.Version(), Python: python}
	memory, err := mem.VirtualMemoryWithContext(ctx)
	if err != nil {
		return m, fmt.Errorf("bench: memory of this machine: %w", err)
	}
	m.Memory, m.Free = memory.Total, memory.Available
	// These are to be read by people; where the system does not tell, they stay empty.
	if platform, _, number, err := host.PlatformInformationWithContext(ctx); err == nil {
		m.OS = fmt.Sprintf("%s %s %s %s", runtime.GOOS, runtime.GOARCH, platform, number)
	}
	if d, err := disk.UsageWithContext(ctx, dir); err == nil {
		m.Filesystem = d.Fstype
	}
	m.Sync, err = syncTime(dir)
	return m, err
}

// syncTime is how long the disk takes to have 4 KiB for good, in seconds.
func syncTime(dir string) (float64, error) {
	f, err := os.Create(filepath.Join(dir, fmt.Sprintf("myriad-bench-sync-%d", os.Getpid()))) //nolint:gosec // the user names the directory
	if err != nil {
		return 0, fmt.Errorf("bench: %w", err)
	}
	var took []float64
	block := make([]byte, 4<<10)
	for range syncs {
		began := time.Now()
		if _, err = f.Write(block); err == nil {
			err = f.Sync()
		}
		if err != nil {
			break
		}
		took = append(took, time.Since(began).Seconds())
	}
	if err := errors.Join(err, f.Close(), os.Remove(f.Name())); err != nil {
		return 0, fmt.Errorf("bench: disk of %s: %w", dir, err)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
