package bench

import (
	"context"
	"fmt"
	"maps"
	"strconv"
	"sync"
	"time"
)

// asyncioScript is the baseline that most simulators of this kind are built on.
const asyncioScript = `
import asyncio, sys, time
async def main(n, nap):
    start = time.perf_counter()
    await asyncio.gather(*[asyncio.sleep(nap) for _ in range(n)])
    print(time.perf_counter() - start)
asyncio.run(main(int(sys.argv[1]), float(sys.argv[2])))
`

// sleepers is the baseline in Go: so many goroutines that sleep and do nothing else.
func sleepers(n int, nap time.Duration) Figures {
	began := time.Now()
	var all sync.WaitGroup
	for range n {
		all.Go(func() {
			time.Sleep(nap) //nolint:forbidigo // the least that can wait is what is measured
		})
	}
	all.Wait()
	return Figures{Seconds: time.Since(began).Seconds()}
}

// goroutines measures sleepers in a process of their own.
func (l *lab) goroutines(ctx context.Context, j job) (Figures, error) {
	return l.child(ctx, "goroutines", "--agents", strconv.Itoa(j.agents), "--latency", l.latency.String())
}

// asyncio measures the same in Python.
func (l *lab) asyncio(ctx context.Context, j job) (Figures, error) {
	var seconds float64
	took, err := run(ctx, l.dir, &seconds, l.python, "-c", asyncioScript, strconv.Itoa(j.agents),
		strconv.FormatFloat(l.latency.Seconds(), 'f', -1, 64))
	if err != nil {
		return nil, err
	}
	took[Seconds] = seconds
	return took, nil
}

// broker measures the messages a second of the bare broker.
func (l *lab) broker(ctx context.Context, _ job) (Figures, error) { return l.child(ctx, "broker") }

// log measures the records a second of the bare log.
func (l *lab) log(ctx context.Context, _ job) (Figures, error) { return l.child(ctx, "log") }

// child runs Child in a process of its own.
func (l *lab) child(ctx context.Context, what string, args ...string) (Figures, error) {
	return l.within(func(dir string) (Figures, error) {
		var got Figures
		took, err := run(ctx, dir, &got, l.program, append([]string{ChildCommand, what, "--data", "data"}, args...)...)
		if err != nil {
			return nil, err
		}
		maps.Copy(took, got)
		return took, nil
	})
}

// ChildCommand is the command of the program that calls Child and prints its figures as JSON.
const ChildCommand = "bench-child"

// Child measures one thing in this process: "goroutines", so many that sleep so long; "broker" or "log" at the limit,
// with data in a directory that does not exist yet.
func Child(ctx context.Context, what string, agents int, nap time.Duration, data string) (Figures, error) {
	switch what {
	case "goroutines":
		return sleepers(agents, nap), nil
	case "broker":
		return embedded(ctx, data, brokerRate)
	case "log":
		return embedded(ctx, data, logRate)
	}
	return nil, fmt.Errorf("%w: there is no measurement %q", ErrOption, what)
}
