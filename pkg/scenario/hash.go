package scenario

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/internal/template"
)

// Hash names the content of the scenario: 64 hex digits that are the same for two files that differ only in layout,
// comments, anchors, written-out defaults, or in whether a value came from the file or an override.
// Overrides are part of the content.
func (s *Scenario) Hash() string {
	out, err := json.Marshal(s.normal())
	if err != nil {
		// Every number in a Scenario is finite, so this cannot be.
		return ""
	}
	sum := sha256.Sum256(out)
	return hex.EncodeToString(sum[:])
}

// normalBlock, normalQuestion and so on are the parts of a scenario with programs and templates as their sources.
type (
	normalBlock struct {
		Name, Model, System string
		First, Count        int
	}
	normalQuestion struct {
		ID, Ask, Min, Max string
		Attach            []string `json:",omitempty"`
		Answer            AnswerSpec
	}
	normalUpdate struct{ Key, Expr string }
)

func (s *Scenario) normal() map[string]any {
	vars := make(map[string]string, len(s.Vars))
	for name, v := range s.Vars {
		vars[name] = v.String()
	}
	out := map[string]any{
		"version": s.Version, "name": s.Name, "description": s.Description, "seed": s.Seed, "rounds": s.Rounds,
		"vars": vars, "population": s.Population, "models": s.Models, "memory": s.Memory, "stop": exprSource(s.Stop),
		"missing": []any{s.Missing.Then, exprSource(s.Missing.Value), s.Missing.MinValid, s.Missing.Below},
		"report":  []any{exprSource(s.Report.Nearest), s.Report.Within, s.Report.HasWithin},
	}
	if g := s.Game; g != nil {
		out["game"] = []string{g.Kind, g.Question, g.P.Source(), g.Offset.Source(), g.Low.Source(), g.High.Source()}
	}
	if s.Budget != nil {
		out["budget"] = s.Budget
	}
	if s.Environments != nil {
		out["environments"] = s.Environments
	}
	var blocks []normalBlock
	for _, b := range s.Blocks {
		blocks = append(blocks, normalBlock{b.Name, b.Model, templateSource(b.System), b.First, b.Count})
	}
	var turn []normalQuestion
	for _, q := range s.Turn {
		n := normalQuestion{
			ID: q.ID, Ask: templateSource(q.Ask), Min: exprSource(q.Answer.Min), Max: exprSource(q.Answer.Max), Answer: q.Answer,
		}
		n.Answer.Min, n.Answer.Max = nil, nil
		for _, a := range q.Attach {
			n.Attach = append(n.Attach, a.Kind+" "+a.URL.Source())
		}
		turn = append(turn, n)
	}
	var world []normalUpdate
	for _, u := range s.World {
		world = append(world, normalUpdate{u.Key, exprSource(u.Expr)})
	}
	out["blocks"], out["turn"], out["world"] = blocks, turn, world
	return out
}

func exprSource(p *expression.Program) string {
	if p == nil {
		return ""
	}
	return p.Source()
}

func templateSource(t *template.Template) string {
	if t == nil {
		return ""
	}
	return t.Source()
}
