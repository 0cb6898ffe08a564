package report

import "math"

// niceTicks returns round numbers that cut [lo, hi] into at most about so many steps, and the step; only lo if the range
// is empty.
func niceTicks(lo, hi float64, most int) (ticks []float64, step float64) {
	if !(hi > lo) {
		return []float64{lo}, 0
	}
	raw := (hi - lo) / float64(most)
	unit := math.Pow(10, math.Floor(math.Log10(raw)))
	step = 10 * unit
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*unit >= raw*(1-1e-9) {
			step = m * unit
			break
		}
	}
	first := math.Ceil(lo/step - 1e-9)
	for i := first; i*step <= hi+step*1e-9; i++ {
		ticks = append(ticks, i*step)
	}
	return ticks, step
}

// tickDigits is the number of decimals ticks of a step need.
func tickDigits(step float64) int {
	for d := range 9 {
		if scaled := step * math.Pow(10, float64(d)); math.Abs(scaled-math.Round(scaled)) < 1e-6*scaled {
			return d
		}
	}
	return 9
}
