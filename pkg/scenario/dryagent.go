package scenario

// dryAgent is a made-up agent 0.
type dryAgent struct {
	s     *Scenario
	round int
	asked int
	early string // a question that was read before it is asked
}

func (a *dryAgent) Number() int { return 0 }

func (a *dryAgent) Block() string { return a.s.Blocks[0].Name }

func (a *dryAgent) Persona(name string) string {
	for _, d := range a.s.Population.Distributions {
		if d.Name == name {
			return d.Categories[0].Name
		}
	}
	return "someone"
}

func (a *dryAgent) Last(string) (string, bool) {
	if a.round == 1 {
		return "", false
	}
	return "1", true
}

func (a *dryAgent) Answer(id string) (string, bool) {
	if a.s.QuestionIndex(id) >= a.asked {
		a.early = id
	}
	return "1", true
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
