package scenario

// dryAgent is a made-up agent 0.
type dryAgent struct {
	s     *Scenario
	round int
	asked int
	early string // a question that was read before it is asked

	persona map[string]string // where it is not that of agent 0
}

func (a *dryAgent) Number() int { return 0 }

func (a *dryAgent) Block() string { return a.s.Blocks[0].Name }

func (a *dryAgent) AppendPersona(dst []byte, name string) []byte {
	if a.persona != nil {
		return append(dst, a.persona[name]...)
	}
	for _, d := range a.s.Population.Distributions {
		if d.Name == name {
			return append(dst, d.Categories[0].Name...)
		}
	}
	return append(dst, "someone"...)
}

func (a *dryAgent) AppendLast(dst []byte, _ string) []byte {
	if a.round == 1 {
		return dst
	}
	return append(dst, '1')
}

func (a *dryAgent) AppendAnswer(dst []byte, id string) []byte {
	if a.s.QuestionIndex(id) >= a.asked {
		a.early = id
	}
	return append(dst, '1')
}

// dryColumn is a made-up column of answers.
type dryColumn struct{}

func (dryColumn) Mean() (float64, bool)             { return 1, true }
func (dryColumn) Sum() (float64, bool)              { return 1, true }
func (dryColumn) Count() int                        { return 1 }
func (dryColumn) MinMax() (lo, hi float64, ok bool) { return 1, 1, true }
func (dryColumn) Std() (float64, bool)              { return 1, true }
func (dryColumn) Median() (float64, bool)           { return 1, true }
func (dryColumn) Quantile(float64) (float64, bool)  { return 1, true }
func (dryColumn) Share(int) (float64, bool)         { return 1, true }
