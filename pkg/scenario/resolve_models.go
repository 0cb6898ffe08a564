package scenario

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/myriad-sim/myriad/internal/expression"
)

func (r *resolver) models() {
	for _, row := range r.doc.Models.rows {
		m := row.value
		out := Model{Name: row.key.text, Provider: m.Provider.v}
		switch out.Provider {
		case "openai":
			r.openai(&out, m)
		case "levelk":
			r.levelk(&out, m)
		case "scripted":
			r.scripted(&out, m)
		case "dummy":
			out.Latency = int64(m.Latency.v)
		case "agent":
			r.outside(&out, m)
		case "replay":
			r.replay(&out, m)
		}
		r.s.Models = append(r.s.Models, out)
	}
}

var envPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

func (r *resolver) openai(out *Model, m modelDoc) {
	for _, e := range m.Endpoints.items {
		if e.set() {
			r.checkEndpoint(e)
			out.Endpoints = append(out.Endpoints, e.v)
		}
	}
	out.Model = m.Model.v
	if m.Temperature.set() {
		out.Temperature = new(m.Temperature.float())
	}
	if m.TopP.set() {
		out.TopP = new(m.TopP.float())
	}
	out.MaxTokens = m.MaxTokens.integer(0)
	r.bounds(out, m)
	out.APIKeyEnv = m.APIKeyEnv.v
	if m.APIKeyEnv.set() && !envPattern.MatchString(out.APIKeyEnv) {
		r.at(m.APIKeyEnv.at, "\"api_key_env\" is the name of an environment variable, never the key itself")
	}
	if m.Structured.v != "none" {
		out.Structured = m.Structured.v
	}
	out.ShareIdentical, out.Hedge = m.ShareIdentical.v, m.Hedge.v
	if out.ShareIdentical && (out.Temperature == nil || *out.Temperature != 0) {
		r.at(m.ShareIdentical.at, "\"share_identical\" needs temperature: 0; at any other, agents with the same prompt answer independently")
	}
}

// bounds are those of models that answer from outside this process.
func (r *resolver) bounds(out *Model, m modelDoc) {
	out.Timeout = int64(m.Timeout.v)
	if m.Timeout.set() && out.Timeout == 0 {
		r.at(m.Timeout.at, "\"timeout\" must be more than 0s")
	}
	out.Concurrency = m.Concurrency.integer(0)
}

const maxPartner = 128 // bytes of the name of a host or code agent

// outside resolves a model that is a code agent.
func (r *resolver) outside(out *Model, m modelDoc) {
	out.Host, out.Agent = m.Host.v, m.Agent.v
	for _, name := range []word{m.Host, m.Agent} {
		if name.set() && (len(name.v) > maxPartner || strings.IndexFunc(name.v, unicode.IsControl) >= 0) {
			r.at(name.at, "%q is not a usable name: at most %d bytes, without line breaks", clipped(name.v), maxPartner)
		}
	}
	r.bounds(out, m)
}

var runPattern = regexp.MustCompile(`^[a-z0-9-]{1,100}$`)

// replay resolves a model that says again what was said in an earlier run.
func (r *resolver) replay(out *Model, m modelDoc) {
	out.Run = m.Run.v
	if m.Run.set() && !runPattern.MatchString(out.Run) {
		r.at(m.Run.at, "%q is not the id of a run, such as guess-two-thirds-k7q2m4xa", clipped(out.Run))
	}
}

// checkEndpoint refuses what is not a plain base URL. A URL with a password in it would end up in the run's record.
func (r *resolver) checkEndpoint(e word) {
	u, err := url.Parse(e.v)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		r.at(e.at, "%q is not a URL such as http://localhost:8000/v1", clipped(e.v))
	case u.User != nil:
		r.at(e.at, "an endpoint must not hold a password; use api_key_env")
	case u.RawQuery != "" || u.Fragment != "":
		r.at(e.at, "an endpoint must not have a query or a fragment")
	}
}

func (r *resolver) levelk(out *Model, m modelDoc) {
	if r.doc.Game == nil {
		r.at(m.Provider.at, "a levelk player needs a game, and the scenario has none")
	}
	if !m.Tau.set() {
		return
	}
	out.Tau = m.Tau.at.text
	p := r.compile(m.Tau, r.s.scope, expression.UsePersona)
	if p == nil || p.Reads("persona") {
		return
	}
	if tau, err := p.Number(expression.Env{Vars: r.s.Vars}); err != nil {
		r.at(m.Tau.at, "%v", err)
	} else if tau < 0 {
		r.at(m.Tau.at, "\"tau\" must be at least 0, not %s", plain(tau))
	}
}

func (r *resolver) scripted(out *Model, m modelDoc) {
	out.Answers = make(map[string]string, len(m.Answers.rows))
	for _, row := range m.Answers.rows {
		id := row.key.text
		if !slices.ContainsFunc(r.s.Turn, func(q Question) bool { return q.ID == id }) {
			r.suggest(row.key, r.nearestQuestion(id), "there is no question %q", clipped(id))
			continue
		}
		if row.value.set() {
			r.compile(row.value, r.s.scope, expression.UseScripted)
			out.Answers[id] = row.value.at.text
		}
	}
	out.Noise = m.Noise.float()
}

// plays checks that a block's model can answer every question of the turn.
func (r *resolver) plays(at *node, m *Model) {
	for i, q := range r.s.Turn {
		a, doc := q.Answer, r.doc.Turn.items[i].Answer
		_, scripted := m.Answers[q.ID]
		switch {
		case q.ID == "" || a.Type == "":
		case m.Provider == "levelk" && r.s.Game != nil && q.ID != r.s.Game.Question && r.s.Game.Question != "":
			r.at(at, "model %q (levelk) answers only the game's question %q, not %q", m.Name, r.s.Game.Question, q.ID)
		case m.Provider == "scripted" && !scripted:
			r.at(at, "model %q (scripted) has no answer to question %q", m.Name, q.ID)
		case m.Provider == "dummy" && a.Textual():
			r.at(at, "model %q (dummy) cannot answer %q: it makes up numbers, choices and likert points, not %s", m.Name, q.ID, a.Type)
		case m.Provider == "dummy" && a.Type == TypeNumber && !(doc.Min.set() && doc.Max.set()):
			r.at(at, "model %q (dummy) cannot answer %q without both min and max", m.Name, q.ID)
		}
	}
}
