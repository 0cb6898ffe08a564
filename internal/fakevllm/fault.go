package fakevllm

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Fault is one way in which a request fails.
type Fault string

// The faults. Those of the choices need a request that is not streamed and a body that is right otherwise.
const (
	TooMany      Fault = "429"        // too many requests
	TooManyAfter Fault = "429-after"  // the same with Retry-After
	Unavailable  Fault = "503"        // service unavailable
	UnavailAfter Fault = "503-after"  // the same with Retry-After
	Internal     Fault = "500"        // the engine died
	TooLarge     Fault = "413"        // the body is said to be too large
	ContextLen   Fault = "context"    // the prompt is said to be longer than the model's context
	Hang         Fault = "hang"       // no answer until the client goes
	Reset        Fault = "reset"      // the connection is reset in the middle of the body
	Slow         Fault = "slow"       // slow loris: the answer comes one byte at a time, see Faults.Pace
	Malformed    Fault = "malformed"  // half of the JSON as a whole body
	WrongCount   Fault = "count"      // one choice too few; a lone choice comes twice, with indexes 0 and 1
	WrongOrder   Fault = "order"      // the choices come from last to first; a lone one says it is number 1
	Duplicate    Fault = "duplicate"  // two choices have the same index; a lone choice comes twice
	NoChoices    Fault = "no-choices" // the list of choices is empty
)

// AllFaults lists every fault.
func AllFaults() []Fault {
	return []Fault{
		TooMany, TooManyAfter, Unavailable, UnavailAfter, Internal, TooLarge, ContextLen,
		Hang, Reset, Slow, Malformed, WrongCount, WrongOrder, Duplicate, NoChoices,
	}
}

// Faults say which requests fail and how. Only requests for answers and embeddings fail and are counted, never those
// for health, metrics and models.
type Faults struct {
	Shares map[Fault]float64 // which share of requests gets a fault, by chance; together at most 1
	Script map[int]Fault     // the k-th request since the faults were set, from 1, gets this fault whatever chance says
	After  time.Duration     // what Retry-After says, in whole seconds; 0 is 1 s
	Pace   time.Duration     // time between two bytes of a slow answer; 0 is 10 ms
}

const (
	defaultAfter = time.Second
	defaultPace  = 10 * time.Millisecond
)

func (f Faults) check() error {
	sum := 0.0
	for fault, share := range f.Shares {
		if !slices.Contains(AllFaults(), fault) {
			return fmt.Errorf("%w: there is no fault %q", ErrOptions, fault)
		}
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("%w: the share of %s is %v", ErrOptions, fault, share)
		}
		sum += share
	}
	if sum > 1 {
		return fmt.Errorf("%w: the shares of the faults add up to %v", ErrOptions, sum)
	}
	for k, fault := range f.Script {
		if k < 1 || !slices.Contains(AllFaults(), fault) {
			return fmt.Errorf("%w: request %d cannot get the fault %q", ErrOptions, k, fault)
		}
	}
	if f.After < 0 || f.Pace < 0 {
		return fmt.Errorf("%w: After and Pace cannot be below 0", ErrOptions)
	}
	return nil
}

// ParseFaults reads faults from one line: "429:0.02,reset:0.01" is a share of requests each, "500@3" the third request.
// An empty line is no faults.
func ParseFaults(line string) (Faults, error) {
	f := Faults{Shares: map[Fault]float64{}, Script: map[int]Fault{}}
	for item := range strings.SplitSeq(line, ",") {
		item = strings.TrimSpace(item)
		if item == "" {
			continue
		}
		if name, at, ok := strings.Cut(item, "@"); ok {
			k, err := strconv.Atoi(at)
			if err != nil {
				return Faults{}, fmt.Errorf("%w: in %q the number of the request is missing", ErrFaults, item)
			}
			f.Script[k] = Fault(name)
			continue
		}
		name, share, _ := strings.Cut(item, ":")
		p, err := strconv.ParseFloat(share, 64)
		if err != nil {
			return Faults{}, fmt.Errorf("%w: %q is not like %q or %q", ErrFaults, item, "429:0.02", "500@3")
		}
		f.Shares[Fault(name)] += p
	}
	if err := f.check(); err != nil {
		return Faults{}, fmt.Errorf("%w: %w", ErrFaults, err)
	}
	return f, nil
}

// chances are faults ready to be drawn: a request draws one number and takes the first whose sum is above it.
type chances struct {
	faults []Fault
	sums   []float64
	script map[int]Fault
	after  time.Duration
	pace   time.Duration
	asked  int // requests since the faults were set
}

func (f Faults) chances() chances {
	c := chances{script: maps.Clone(f.Script), after: max(f.After, defaultAfter), pace: f.Pace}
	if c.pace == 0 {
		c.pace = defaultPace
	}
	sum := 0.0
	for _, fault := range AllFaults() {
		if share := f.Shares[fault]; share > 0 {
			sum += share
			c.faults = append(c.faults, fault)
			c.sums = append(c.sums, sum)
		}
	}
	return c
}

// next is the fault of the next request, or "". Roll draws a number in [0,1) and is asked only if chance matters.
func (c *chances) next(roll func() float64) Fault {
	c.asked++
	if f := c.script[c.asked]; f != "" {
		return f
	}
	if len(c.faults) == 0 {
		return ""
	}
	x := roll()
	for i, sum := range c.sums {
		if x < sum {
			return c.faults[i]
		}
	}
	return ""
}
