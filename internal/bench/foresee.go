package bench

import "fmt"

// expense is what one more agent takes.
type expense struct{ bytes, seconds float64 }

// usual are the expenses of the baselines, measured once at a million, for sizes that nothing smaller was measured for: a
// goroutine has a stack of 2 KiB and a descriptor, an asyncio task several objects.
var usual = map[string]expense{
	"goroutines": {bytes: 2_700},
	"asyncio":    {bytes: 1_500, seconds: 15e-6},
}

const (
	// telling is how many agents a measurement needs to tell what the next one takes.
	telling = 100_000
	// memoryShare is how much of the free memory a measurement may take.
	memoryShare = 0.85
	// baselineSeconds is how long a baseline may take: it is there to compare with, not to be waited for.
	baselineSeconds = 90
)

// foresee says why a measurement is not made, from what was measured at smaller sizes; "" if it is.
func (r *Report) foresee(j job, free float64) string {
	least := usual[j.part.name].bytes
	each := usual[j.part.name]
	for _, was := range r.Results {
		if was.Part == j.part.name && was.Agents >= telling && was.Agents < j.agents && len(was.Samples) > 0 {
			last := was.Samples[len(was.Samples)-1]
			// Not below the usual: of goroutines that are slow to start the first have ended before the last begin.
			each = expense{max(least, last[Peak]/float64(was.Agents)), last[Seconds] / float64(was.Agents)}
		}
	}
	n := float64(j.agents)
	if need := each.bytes * n; need > memoryShare*free {
		return fmt.Sprintf("it would need about %s GB of memory, and %s GB are free", short(need/1e9), short(free/1e9))
	}
	_, baseline := usual[j.part.name]
	if need := each.seconds * n; baseline && need > baselineSeconds {
		return fmt.Sprintf("it would take about %s s", short(need))
	}
	return ""
}
