package results

import (
	"encoding/hex"
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// Summary builds the summary of a run from its control records. Its receipt has what the answers that count have used;
// Spent completes it with all that was spent.
func Summary(s *runlog.State) report.Summary {
	sc := s.Scenario
	out := report.Summary{
		Run: s.Run, Scenario: sc.Name, Seed: sc.Seed, ResultHash: hex.EncodeToString(s.Chain), Version: report.Version,
		State: s.Status(), StopReason: s.Reason, Agents: s.Created.Agents, Started: s.CreatedAt.UTC(), Rounds: []report.Round{},
		Receipt: report.Receipt{
			Lost: int(s.Expected - s.Accepted), Duplicates: int(s.Duplicates), Faults: s.FaultCount + s.LostHosts, //nolint:gosec // counts
			Takeovers: s.Takeovers, LostHosts: s.LostHosts, Moves: s.Moves, FaultList: faults(s),
		},
	}
	if s.Asked > s.Accepted {
		out.Receipt.RepeatedCalls = int(s.Asked - s.Accepted) //nolint:gosec // a count
	}
	if f := s.Created.Fork; f != nil {
		out.Fork = &report.Fork{Run: f.Run, Round: f.Round}
	}
	for _, r := range s.Rounds {
		_, played := s.Of(r.Round)
		out.Rounds = append(out.Rounds, round(played, r))
	}
	own := s.Own() // the rounds of another run were paid for there
	if len(own) > 0 {
		out.ReadySeconds = own[0].OpenedAt.Sub(s.CreatedAt).Seconds()
	}
	for _, r := range own {
		out.Receipt.Retries += int(r.Closed.Retries)     //nolint:gosec // counts
		out.Receipt.Shared += int(r.Closed.Shared)       //nolint:gosec // counts
		out.Receipt.TokensIn += int(r.Closed.TokensIn)   //nolint:gosec // counts
		out.Receipt.TokensOut += int(r.Closed.TokensOut) //nolint:gosec // counts
		out.Seconds = r.ClosedAt.Sub(s.CreatedAt).Seconds()
	}
	if s.Phase.Over() {
		ended := s.EndedAt.UTC()
		out.Finished = &ended
		out.Seconds = s.EndedAt.Sub(s.CreatedAt).Seconds()
	}
	for _, m := range sc.Models {
		n := 0
		for _, b := range sc.Blocks {
			if b.Model == m.Name {
				n += b.Count
			}
		}
		out.Models = append(out.Models, report.Model{Name: m.Name, Provider: m.Provider, Behavioural: m.Behavioural() && !m.Outside() && !m.Replay(), Note: Note(m), Agents: n})
	}
	for _, q := range sc.Turn {
		out.Questions = append(out.Questions, report.Question{
			ID: q.ID, Type: q.Answer.Type, Decimals: q.Answer.Decimals, Points: q.Answer.Points, Choices: q.Answer.Choices, Ask: q.Ask.Source(),
		})
	}
	return out
}

// faults are those that the log has in words.
func faults(s *runlog.State) []report.Fault {
	var out []report.Fault
	for _, f := range s.Faults {
		to := report.Fault{At: f.At.UTC(), Who: f.Who, What: f.What}
		if f.Who == "" {
			to.Who = "the run"
		}
		if f.Until.After(f.At) {
			to.Until = new(f.Until.UTC())
		}
		out = append(out, to)
	}
	return out
}

// Note says in a sentence what kind of player a model is.
func Note(m scenario.Model) string {
	switch m.Provider {
	case "levelk":
		return fmt.Sprintf("a behavioural model (Poisson level-k, tau %s), not a language model", m.Tau)
	case "scripted":
		return "a scripted player that follows expressions, not a language model"
	case "dummy":
		return fmt.Sprintf("a stand-in that waits %s and answers at random, not a language model", time.Duration(m.Latency))
	case "agent":
		return fmt.Sprintf("played by agent %s on host %s", m.Agent, m.Host)
	case "replay":
		return fmt.Sprintf("what was said in run %s, said again; no model was asked", m.Run)
	}
	return fmt.Sprintf("language model %s", m.Model)
}

func round(sc *scenario.Scenario, r runlog.RoundResult) report.Round {
	out := report.Round{
		Round: r.Round, Seconds: r.ClosedAt.Sub(r.OpenedAt).Seconds(), Calls: int(r.Closed.Calls), Retries: int(r.Closed.Retries), //nolint:gosec // counts
		TokensIn: int(r.Closed.TokensIn), TokensOut: int(r.Closed.TokensOut), //nolint:gosec // counts
		World: map[string]float64{}, Questions: map[string]report.Outcome{},
	}
	if r.Env != nil {
		out.World = r.Env.World
	}
	for _, q := range r.Closed.Questions {
		o := report.NewOutcome(q.Summary)
		if at := sc.QuestionIndex(q.ID); at >= 0 && (sc.Turn[at].Answer.Type == scenario.TypeChoice || sc.Turn[at].Answer.Type == scenario.TypeLikert) {
			o.Counts = q.Counts
		}
		if r.Env != nil {
			if w, ok := r.Env.Winners[q.ID]; ok {
				o.Target, o.Nearest, o.NearestAgents = &w.Target, &w.Nearest, w.Agents
				if sc.Report.HasWithin {
					o.Within = &w.Within
				}
			}
		}
		out.Questions[q.ID] = o
	}
	return out
}

// Report gathers what the report page of a run is made of. reproduce is the command that plays the run again.
func Report(s *runlog.State, reproduce string) report.Data {
	d := report.Data{Summary: Summary(s), Personas: PersonaColumns(s), File: s.Created.File, Source: string(s.Created.Source), Reproduce: reproduce}
	for _, r := range s.Rounds {
		d.Histograms = append(d.Histograms, histograms(s.Scenario, r))
		d.Played = append(d.Played, report.Span{From: r.OpenedAt.UTC(), Until: r.ClosedAt.UTC()})
	}
	return d
}

func histograms(sc *scenario.Scenario, r runlog.RoundResult) map[string]report.Histogram {
	out := map[string]report.Histogram{}
	for _, q := range r.Closed.Questions {
		if at := sc.QuestionIndex(q.ID); at >= 0 && sc.Turn[at].Answer.Type == scenario.TypeNumber {
			out[q.ID] = report.Histogram{Lo: q.Lo, Hi: q.Hi, Counts: q.Counts}
		}
	}
	return out
}

// PersonaColumns describes the persona columns of a run's rows, with the exact counts that were drawn.
func PersonaColumns(s *runlog.State) []report.Persona {
	var out []report.Persona
	counts := population.FromScenario(s.Scenario).Counts()
	for i, d := range s.Scenario.Population.Distributions {
		p := report.Persona{Name: d.Name}
		for j, c := range d.Categories {
			p.Categories = append(p.Categories, report.Category{Name: c.Name, Count: counts[i][j]})
		}
		out = append(out, p)
	}
	return out
}
