package scenario

import (
	"slices"

	"github.com/myriad-sim/myriad/internal/expression"
)

type budgetDoc struct {
	place
	Tokens whole         `key:"tokens" min:"1" max:"1000000000000000" doc:"Most tokens of all language models together, in and out."`
	Money  money         `key:"money" doc:"Most money for all language models together, in the unit of llmproxy's price table."`
	Models table[capDoc] `key:"models" doc:"Caps of single models, by name."`
}

type capDoc struct {
	place
	Tokens whole `key:"tokens" min:"1" max:"1000000000000000" doc:"Most tokens of this model, in and out."`
	Money  money `key:"money" doc:"Most money for this model."`
}

// tokens is a cap as read, 0 for none.
func tokens(w whole) uint64 {
	if w.v == nil {
		return 0
	}
	return w.v.Uint64()
}

// budget resolves what may be spent, and checks that there is something to spend it on.
func (r *resolver) budget() {
	doc := r.doc.Budget
	if doc == nil {
		return
	}
	b := &Budget{Tokens: tokens(doc.Tokens), Micros: doc.Money.micros}
	if doc.at != nil && len(doc.at.entries) == 0 {
		r.at(doc.at, "a budget needs tokens, money or models")
	}
	for _, row := range doc.Models.rows {
		name, c := row.key.text, row.value
		switch m := r.s.Model(name); {
		case m == nil:
			r.suggest(row.key, expression.Nearest(name, r.doc.Models.names()), "there is no model %q", clipped(name))
		case m.Replay(): // of a run that had this budget; it spends nothing now
		case m.Behavioural():
			r.at(row.key, "model %q (%s) costs nothing; a budget is for language models", name, m.Provider)
		case c.at != nil && len(c.at.entries) == 0:
			r.at(c.at, "a cap needs tokens or money")
		}
		if b.Models == nil {
			b.Models = map[string]Cap{}
		}
		b.Models[name] = Cap{Tokens: tokens(c.Tokens), Micros: c.Money.micros}
	}
	r.s.Budget = b
	r.spenders()
}

// spenders checks the models of a run with a budget. What a call may cost is set aside before it is made, so the length of
// its reply must have a bound.
func (r *resolver) spenders() {
	speaks := func(b Block) bool {
		m := r.s.Model(b.Model)
		return m == nil || !m.Behavioural() || m.Replay() // one that is unknown is reported elsewhere
	}
	if !slices.ContainsFunc(r.s.Blocks, speaks) {
		r.at(r.doc.Budget.at, "a budget can spend nothing here: no block of agents has a language model")
	}
	for i, m := range r.s.Models {
		if doc := r.doc.Models.rows[i].value; m.Provider == "openai" && !doc.MaxTokens.set() {
			r.at(doc.at, "model %q must state max_tokens: under a budget every reply needs a bound", m.Name)
		}
	}
}
