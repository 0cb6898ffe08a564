package scenario_test

import "strings"

const (
	openai = "    temperature: 1.0\n"
	// What stands between the end of the language model and the players of the first block, which levelk plays in base.
	between = "  robot: {provider: dummy, latency: 1s}\n  rules: {provider: scripted, answers: {guess: vars.high / 2}}\n" +
		"game: {kind: guess-average, p: vars.ratio, low: vars.low, high: vars.high}\nagents:\n  first: {model: "
	levelk = openai + between + "player"
	ask    = "    answer: {type: number, min: vars.low, max: vars.high}\n"
)

// budget is base with a budget, and a first block that a language model plays.
func budget(said string) (from, to string) {
	return levelk, openai + "    max_tokens: 64\n" + strings.Replace(between, "agents:", "budget: "+said+"\nagents:", 1) + "server"
}

func capped(name, said, want string) malformation {
	from, to := budget(said)
	return malformation{name, from, to, want}
}

func attached(name, said, want string) malformation {
	return malformation{name, ask, "    attach: " + said + "\n" + ask, want}
}

// What language models, budgets, attachments and their answer types bring to get wrong.
var malformedModels = []malformation{
	{"structured output of an unknown kind", openai, openai + "    structured: guided_json\n",
		`f.yaml:21:17: "guided_json" is not one of none, response_format, structured_outputs`},
	{"toggle that is text", openai, openai + "    hedge: often\n",
		`f.yaml:21:12: "hedge" must be true or false, not text`},
	{"sharing at a temperature", openai, openai + "    share_identical: true\n",
		`f.yaml:21:22: "share_identical" needs temperature: 0; at any other, agents with the same prompt answer independently`},
	{"sharing at the server's temperature", openai, "    share_identical: true\n",
		`f.yaml:20:22: "share_identical" needs temperature: 0; at any other, agents with the same prompt answer independently`},
	{"hedging by another provider", "latency: 1s", "latency: 1s, hedge: true",
		`f.yaml:21:41: "hedge" is not a key of provider "dummy"`},

	{"agent without an address", "provider: dummy, latency: 1s", "provider: agent",
		lines(`f.yaml:21:10: "host" is missing`, `f.yaml:21:10: "agent" is missing`)},
	{"agent at a temperature", "provider: dummy, latency: 1s", "provider: agent, host: js-1, agent: alice, temperature: 1",
		`f.yaml:21:54: "temperature" is not a key of provider "agent"`},
	{"agent with a slip", "provider: dummy, latency: 1s", "provider: agent, host: js-1, agnet: alice", `f.yaml:21:40: unknown key "agnet" >> agent`},
	{"agent without patience", "provider: dummy, latency: 1s", "provider: agent, host: js-1, agent: alice, timeout: 0s",
		`f.yaml:21:63: "timeout" must be more than 0s`},
	{"agent whose name is two lines", "provider: dummy, latency: 1s", `provider: agent, host: js-1, agent: "a\nb"`,
		"f.yaml:21:47: \"a\\nb\" is not a usable name: at most 128 bytes, without line breaks"},
	{"another provider with an agent", "provider: dummy, latency: 1s", "provider: dummy, agent: alice", `f.yaml:21:28: "agent" is not a key of provider "dummy"`},
	capped("empty budget", "{}", `f.yaml:25:9: a budget needs tokens, money or models`),
	capped("no tokens", "{tokens: 0}", `f.yaml:25:18: "tokens" must be from 1 to 1000000000000000, not 0`),
	capped("no money", "{money: 0.00}", `f.yaml:25:17: "money" must be more than 0, not 0.00`),
	capped("money with a sign", "{money: $5}", `f.yaml:25:17: "money" must be an amount such as 5.00, not text`),
	capped("less than a millionth", "{money: 0.0000005}", `f.yaml:25:17: "money" may have at most 6 decimals: 0.0000005 is not a whole number of millionths`),
	capped("all the money", "{money: 2e9}", `f.yaml:25:17: "money" must be at most 1000000000, not 2e9`),
	capped("cap of an unknown model", "{models: {sever: {tokens: 5}}}", `f.yaml:25:19: there is no model "sever" >> server`),
	capped("cap of a behavioural player", "{models: {robot: {tokens: 5}}}", `f.yaml:25:19: model "robot" (dummy) costs nothing; a budget is for language models`),
	capped("empty cap", "{models: {server: {}}}", `f.yaml:25:27: a cap needs tokens or money`),
	{"budget without language models", "rounds: 3\n", "rounds: 3\nbudget: {tokens: 5}\n",
		lines(
			`f.yaml:5:9: a budget can spend nothing here: no block of agents has a language model`,
			`f.yaml:18:5: model "server" must state max_tokens: under a budget every reply needs a bound`,
		)},

	attached("attachment that is nothing", "[{}]", `f.yaml:30:14: an attachment is one image or one audio`),
	attached("attachment that is two", "[{image: 'http://a/b', audio: 'http://a/b'}]", `f.yaml:30:14: an attachment is one image or one audio`),
	attached("attachment without a kind", "['http://a/b.png']", `f.yaml:30:14: this must be a mapping, not text`),
	attached("video", "[{video: 'http://a/b.mp4'}]", `f.yaml:30:15: unknown key "video"`),
	attached("unknown name in an attachment", "[{image: 'http://a/{{.persona.eduction}}.png'}]",
		`f.yaml:30:43: unknown name .persona.eduction >> education`),
	attached("attachment without its guard", "[{image: 'http://a/{{.world.target}}.png'}]",
		`f.yaml:30:34: .world.target has no value in round 1; guard it with a condition on the round`),
	attached("attachment that is no URL", "[{image: photo.png}]",
		`f.yaml:30:22: "photo.png" is not a URL that can be attached: want http://, https:// or data:`),
	attached("file", "[{image: 'file:///etc/passwd'}]",
		`f.yaml:30:22: "file:///etc/passwd" is not a URL that can be attached: want http://, https:// or data:`),
	attached("URL with a password", "[{image: 'http://me:secret@a/b'}]",
		`f.yaml:30:22: "a" is not a URL that can be attached: it must not hold a password`),
	attached("URL that somebody's education breaks", `[{image: 'http://a/{{if eq .persona.education "Ph.D."}}a b{{end}}'}]`,
		`f.yaml:30:22: "http://a/a b" is not a URL that can be attached: it has a character that no URL has`),
	attached("sound as an image", "[{image: 'data:audio/wav;base64,AAAA'}]",
		`f.yaml:30:22: "data:audio/wav;base64,AAAA" is not a URL that can be attached: want data:image/…`),
	attached("data that is not base64", "[{audio: 'data:audio/wav,AAAA'}]",
		`f.yaml:30:22: "data:audio/wav,AAAA" is not a URL that can be attached: want ;base64, and the data in base64`),
	attached("base64 that was cut", "[{audio: 'data:audio/wav;base64,AAA'}]",
		`f.yaml:30:22: "data:audio/wav;base64,AAA" is not a URL that can be attached: want ;base64, and the data in base64`),

	{"tagged without tags", "type: number, min: vars.low, max: vars.high", "type: tagged", noNumber("tagged", `f.yaml:30:13: "tags" is missing`)},
	{"tags that cannot be", "type: number, min: vars.low, max: vars.high", "type: tagged, tags: [speak, <thought>, Speak]",
		noNumber("tagged",
			`f.yaml:30:42: "<thought>" is not a usable tag: letters, digits, _ and -, starting with a letter, without < and >`,
			`f.yaml:30:53: tag "Speak" is here twice`)},
	{"language that is a sentence", "type: number, min: vars.low, max: vars.high", "type: code, language: any language",
		noNumber("code", `f.yaml:30:36: "any language" is not the name of a language as it stands after a fence, such as python`)},
}

// noNumber is what is said of base where its question asks for something else, with what is said of that.
func noNumber(kind string, more ...string) string {
	all := []string{
		`f.yaml:23:7: a game needs a number question, and there is none`,
		`f.yaml:26:19: model "robot" (dummy) cannot answer "guess": it makes up numbers, choices and likert points, not ` + kind,
	}
	all = append(all, more...)
	return lines(append(all,
		`f.yaml:34:32: mean wants a question answered with numbers; guess is a `+kind+` question`,
		`f.yaml:36:19: winners need a number question, and there is none`)...)
}
