package scenario_test

import (
	_ "embed"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

//go:embed testdata/base.yaml
var base string

// malformation edits base: the text old becomes new. want is everything Load then says, a line for each problem, with what
// it suggests after ">>".
type malformation struct{ name, old, new, want string }

var malformed = slices.Concat(malformedBase, malformedModels, malformedEnvironments)

var malformedBase = []malformation{
	// The document.
	{"unknown key", "rounds: 3", "ruonds: 3",
		`f.yaml:4:1: unknown key "ruonds" >> rounds`},
	{"unknown key deep inside", "temperature: 1.0", "temprature: 1.0",
		`f.yaml:20:5: unknown key "temprature" >> temperature`},
	{"duplicate key", "rounds: 3", "seed: 8", `f.yaml:4:1: key "seed" is here twice; the first is on line 3`},
	{"missing key", "name: base\n", "", `f.yaml:1:1: "name" is missing`},
	{"text for a number", "rounds: 3", "rounds: three", `f.yaml:4:9: "rounds" must be a whole number, not text`},
	{"fraction for a whole number", "rounds: 3", "rounds: 2.5", `f.yaml:4:9: "rounds" must be a whole number, not 2.5`},
	{"out of bounds", "rounds: 3", "rounds: 0", `f.yaml:4:9: "rounds" must be from 1 to 1000000, not 0`},
	{"number for text", "name: base", "name: 12",
		`f.yaml:2:7: "name" must be text, not a number >> "12", with quotes`},
	{"list for a mapping", "vars: {ratio: 2/3, low: 0, high: 100}", "vars: [2/3, 0, 100]",
		`f.yaml:5:7: "vars" must be a mapping, not a list`},
	{"nothing for a mapping", "background: {generator: template}", "background:",
		`f.yaml:13:3: "background" must be a mapping, not nothing`},
	{"other version", "version: 1", "version: 2", `f.yaml:1:10: "version" must be 1, not 2`},
	{"syntax", "seed: 7", "seed: [7",
		`f.yaml:4:1: this is not valid YAML: ',' or ']' must be specified`},
	{"unknown alias", "seed: 7", "seed: *sed", "f.yaml:3:7: no anchor &sed comes before this"},
	{"tag", "seed: 7", "seed: !!int 7", "f.yaml:3:7: tags such as !!int are not used in a scenario"},
	{"two documents", "seed: 7", "seed: 7\n---\na: 1", "f.yaml:5:1: a second document starts here; a scenario is one document"},
	{"several problems", "seed: 7\nrounds: 3", "seed: x\nruonds: 3",
		lines(
			`f.yaml:3:7: "seed" must be a whole number, not text`,
			`f.yaml:4:1: unknown key "ruonds" >> rounds`,
		)},

	// Names.
	{"reserved var", "low: 0", "low: 0, world: 0",
		`f.yaml:5:28: "world" is a reserved word`},
	{"reserved question", "id: guess", "id: answers",
		lines(
			`f.yaml:22:41: there is no question "guess"`,
			`f.yaml:28:9: "answers" is a reserved word`,
			`f.yaml:34:45: unknown question answers.guess`,
		)},
	{"bad question id", "id: guess", "id: my-guess",
		lines(
			`f.yaml:22:41: there is no question "guess"`,
			`f.yaml:28:9: "my-guess" is not a usable name: letters, digits and _, starting with a letter`,
			`f.yaml:34:45: unknown question answers.guess`,
		)},

	// Population.
	{"proportions", "Ph.D., proportion: 0.5", "Ph.D., proportion: 0.6",
		`f.yaml:11:9: the proportions must sum to 1; they sum to 1.1`},
	{"proportion above 1", "Ph.D., proportion: 0.5", "Ph.D., proportion: 50",
		`f.yaml:12:37: "proportion" must be from 0 to 1, not 50`},
	{"repeated category", "name: Ph.D.", "name: high school", `f.yaml:12:18: category "high school" is here twice`},
	{"unknown template", "    - name: education\n", "    - template: eduction\n    - name: education\n",
		`f.yaml:9:17: "eduction" is not one of age, gender, occupation, nationality, education >> education`},
	{"generator to come", "generator: template", "generator: llm",
		`f.yaml:13:27: "llm" is not yet supported`},

	// Models.
	{"unknown provider", "provider: levelk", "provider: levlk",
		`f.yaml:15:22: "levlk" is not one of openai, levelk, scripted, dummy, agent, replay >> levelk`},
	{"replay of no run", "provider: dummy, latency: 1s", "provider: replay",
		`f.yaml:21:10: "run" is missing`},
	{"replay of what is no run", "provider: dummy, latency: 1s", "provider: replay, run: a run",
		`f.yaml:21:34: "a run" is not the id of a run, such as guess-two-thirds-k7q2m4xa`},
	{"key of another provider", "provider: levelk, tau: 1.5", "provider: levelk, tau: 1.5, temperature: 1",
		`f.yaml:15:40: "temperature" is not a key of provider "levelk"`},
	{"missing key of a provider", "    model: some-model\n", "",
		`f.yaml:17:5: "model" is missing`},
	{"duration without unit", "latency: 1s", "latency: 1",
		`f.yaml:21:37: "latency" must be a duration such as 250ms, 1s or 2m, not 1 >> 1s`},
	{"endpoint", "[http://localhost:8000/v1]", "[localhost:8000]",
		`f.yaml:18:17: "localhost:8000" is not a URL such as http://localhost:8000/v1`},
	{"password in an endpoint", "[http://localhost:8000/v1]", "[http://me:secret@localhost:8000/v1]",
		`f.yaml:18:17: an endpoint must not hold a password; use api_key_env`},
	{"tau that does not compile", "tau: 1.5", "tau: 1 + vars.rato",
		`f.yaml:15:44: unknown name vars.rato >> ratio`},
	{"negative tau", "tau: 1.5", "tau: -1",
		`f.yaml:15:35: "tau" must be at least 0, not -1`},
	{"scripted answer to no question", "answers: {guess:", "answers: {guest:",
		`f.yaml:22:41: there is no question "guest" >> guess`},
	{"tau that no persona has", "tau: 1.5", "tau: number(persona.education)",
		`f.yaml:15:35: number(persona.education): number("high school"): bad argument`},
	{"tau that is negative for some", "tau: 1.5", "tau: 'persona.education == \"Ph.D.\" ? -1 : 1'",
		`f.yaml:15:35: "tau" must be at least 0; it is -1 for map[background:someone education:Ph.D. name:someone]`},
	{"scripted text for a number", "guess: vars.high / 2", "guess: persona.education",
		`f.yaml:22:48: this gives text ("high school"), but "guess" asks for a number`},
	{"levelk without a game", "game: {kind: guess-average, p: vars.ratio, low: vars.low, high: vars.high}\n", "",
		`f.yaml:15:22: a levelk player needs a game, and the scenario has none`},
	{"game that reads the world", "p: vars.ratio", "p: world.target",
		`f.yaml:23:38: unknown name world.target: world has no values here`},
	{"game wider than the answers", "high: vars.high}\nagents", "high: 200}\nagents",
		`f.yaml:23:65: high (200) is above the greatest answer to "guess" (100)`},

	// Agents.
	{"unknown model", "model: robot", "model: robto",
		`f.yaml:26:19: there is no model "robto" >> robot`},
	{"shares", "share: 1/4", "share: 1/5",
		`f.yaml:25:33: the blocks' shares must sum to 1; they sum to 0.95`},
	{"counts", "share: 3/4", "count: 7",
		`f.yaml:26:3: give every block a count, or every block a share`},
	{"count and share", "share: 3/4", "share: 3/4, count: 750",
		`f.yaml:25:33: a block has a count or a share, not both`},
	{"block name", "second:", "second one:",
		`f.yaml:26:3: "second one" is not a usable name: letters, digits, _ and -, starting with a letter`},

	// The turn.
	{"unknown answer type", "type: number", "type: numbr",
		`f.yaml:30:20: "numbr" is not one of number, choice, likert, text, json, code, tagged >> number`},
	{"bounds", "min: vars.low, max: vars.high}", "min: 5, max: 1}",
		lines(
			`f.yaml:23:49: low (0) is below the least answer to "guess" (5)`,
			`f.yaml:23:65: high (100) is above the greatest answer to "guess" (1)`,
			`f.yaml:30:41: max (1) is below min (5)`,
		)},
	{"key of another answer type", "type: number,", "type: text,",
		lines(
			`f.yaml:23:7: a game needs a number question, and there is none`,
			`f.yaml:26:19: model "robot" (dummy) cannot answer "guess": it makes up numbers, choices and likert points, not text`,
			`f.yaml:30:26: "min" is not a key of type "text"`,
			`f.yaml:30:41: "max" is not a key of type "text"`,
			`f.yaml:34:32: mean wants a question answered with numbers; guess is a text question`,
			`f.yaml:36:19: winners need a number question, and there is none`,
		)},
	{"one choice", "type: number, min: vars.low, max: vars.high", "type: choice, choices: [a]",
		lines(
			`f.yaml:23:7: a game needs a number question, and there is none`,
			`f.yaml:30:37: a choice needs at least two choices`,
			`f.yaml:34:32: mean wants a question answered with numbers; guess is a choice question`,
			`f.yaml:36:19: winners need a number question, and there is none`,
		)},
	{"dummy without bounds", "{type: number, min: vars.low, max: vars.high}", "{type: number, min: vars.low}",
		`f.yaml:26:19: model "robot" (dummy) cannot answer "guess" without both min and max`},
	{"question that levelk and dummy cannot answer", "memory:", "  - id: why\n    ask: Why?\n    answer: {type: text}\nmemory:",
		lines(
			`f.yaml:25:18: model "player" (levelk) answers only the game's question "guess", not "why"`,
			`f.yaml:26:19: model "robot" (dummy) cannot answer "why": it makes up numbers, choices and likert points, not text`,
		)},
	{"question that scripted does not answer", "second: {model: robot, share: 1/4}\nturn:\n",
		"second: {model: rules, share: 1/4}\nturn:\n  - id: mood\n    ask: How?\n    answer: {type: likert}\n",
		lines(
			`f.yaml:25:18: model "player" (levelk) answers only the game's question "guess", not "mood"`,
			`f.yaml:26:19: model "rules" (scripted) has no answer to question "mood"`,
		)},
	{"template that is a mapping", `ask: "{{if gt .round 1}}It was {{.world.target}}. {{end}}Your number?"`, "ask: {{.round}}",
		`f.yaml:29:11: this is not valid YAML: could not find flow map content >> "{{.round}}", with quotes`},
	{"unknown name in a template", "{{.world.target}}", "{{.world.traget}}",
		`f.yaml:29:45: unknown name .world.traget >> target`},
	{"unclosed template", "{{end}}Your", "Your",
		`f.yaml:29:11: unexpected EOF`},
	{"template without its guard", "{{if gt .round 1}}It was {{.world.target}}. {{end}}", "It was {{.world.target}}. ",
		`f.yaml:29:20: .world.target has no value in round 1; guard it with a condition on the round`},
	{"template without quotes", `ask: "{{if gt .round 1}}It was {{.world.target}}. {{end}}Your number?"`, "ask: {{.round}} Your number?",
		`f.yaml:29:11: this is not valid YAML: could not find flow map content >> "{{.round}} Your number?", with quotes`},
	{"later answer in a template", `Your number?"`, `{{.answers.guess}}?"`,
		`f.yaml:29:64: .answers.guess is asked only later in the turn`},

	// The world.
	{"unknown function", "mean(answers.guess)", "maen(answers.guess)",
		`f.yaml:34:32: unknown function maen >> mean`},
	{"unknown question in an expression", "mean(answers.guess)", "mean(answers.gess)",
		`f.yaml:34:45: unknown question answers.gess >> guess`},
	{"stop without its guard", "round > 1 && abs", "abs",
		`f.yaml:35:26: previous.world.target has no value in round 1; guard it with a condition on the round`},
	{"stop that is a number", "stop: round > 1 && abs(world.target - previous.world.target) < 0.01", "stop: world.target",
		`f.yaml:35:13: a stop rule must give true or false, this gives a number`},
	{"old world in round 1", "vars.ratio * mean(answers.guess)", "world.target * mean(answers.guess)",
		`f.yaml:34:19: world.target has no value in round 1; guard it with a condition on the round`},

	// What is not built yet.
	{"groups", "memory:", "groups: {by: block}\nmemory:",
		`f.yaml:31:1: "groups" is not yet supported`},
	{"groups, malformed too", "memory:", "groups: {by: {sise: 16}}\nmemory:",
		lines(
			`f.yaml:31:1: "groups" is not yet supported`,
			`f.yaml:31:15: unknown key "sise" >> size`,
		)},
	{"state", "memory:", "state: {wealth: 10}\nmemory:",
		`f.yaml:31:1: "state" is not yet supported`},
	{"match", "memory:", "match: {kind: pairs, every: round, roles: [donor, recipient], odd: sit-out}\nmemory:",
		`f.yaml:31:1: "match" is not yet supported`},
	{"graph", "memory:", "graph: {kind: small-world, degree: 10, rewire: 0.1}\nmemory:",
		`f.yaml:31:1: "graph" is not yet supported`},
	{"generations", "memory:", "generations: {every: 12, survive: {top: 0.5, by: wealth}, inherit: [strategy]}\nmemory:",
		`f.yaml:31:1: "generations" is not yet supported`},
	{"design", "memory:", "design: {factors: {ratio: [1/2, 2/3]}, mode: between, replicates: 10, personas: shared, seeds: common}\nmemory:",
		`f.yaml:31:1: "design" is not yet supported`},
	{"deadline", "memory:", "deadline: 10s\nmemory:",
		`f.yaml:31:11: a deadline other than none is not yet supported`},
	{"feedback", "keep: [answer]", "keep: [answer, feedback]",
		`f.yaml:31:35: "feedback" is not yet supported`},
	{"turn.to", "    ask:", "    to: role == 'donor'\n    ask:",
		`f.yaml:29:5: "to" is not yet supported`},
	{"update.agent", "  world: {target", "  agent: {wealth: 1}\n  world: {target",
		`f.yaml:34:3: "agent" is not yet supported`},
	{"update.group", "  world: {target", "  group: {mean: mean(answers.guess)}\n  world: {target",
		`f.yaml:34:3: "group" is not yet supported`},
	{"scorecard", "report: {", "report: {scorecard: nagel-1995, ",
		`f.yaml:36:10: "scorecard" is not yet supported`},
}

// told is what a user is told: each problem on a line, with its suggestion.
func told(all scenario.Errors) string {
	var lines []string
	for _, e := range all {
		line := e.Error()
		if e.Suggestion != "" {
			line += " >> " + e.Suggestion
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

func TestMalformed(t *testing.T) {
	_, err := scenario.Load("f.yaml", []byte(base), scenario.Overrides{})
	require.NoError(t, err)
	for _, c := range malformed {
		t.Run(c.name, func(t *testing.T) {
			require.Equal(t, 1, strings.Count(base, c.old), "the edit must match once")
			src := strings.Replace(base, c.old, c.new, 1)
			_, err := scenario.Load("f.yaml", []byte(src), scenario.Overrides{})
			var all scenario.Errors
			require.ErrorAs(t, err, &all)
			require.Equal(t, c.want, told(all))
			var one *scenario.Error
			require.ErrorAs(t, err, &one)
			require.Equal(t, strings.Replace(strings.Split(src, "\n")[one.Line-1], "me:secret", "…", 1), one.SourceLine)
		})
	}
}

func lines(all ...string) string { return strings.Join(all, "\n") }
