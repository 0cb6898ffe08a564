package scenario

// document is the scenario file as written. Its tags (see rules) are the one declaration of the grammar: the decoder,
// the overrides and the JSON Schema read them.
type document struct {
	place
	Version      whole             `key:"version" required:"true" min:"1" max:"1" doc:"Version of the scenario grammar: 1."`
	Name         word              `key:"name" required:"true" doc:"Name of the scenario: letters, digits, _ - and ., starting with a letter or digit."`
	Description  word              `key:"description" doc:"What the scenario is about, for people."`
	Seed         whole             `key:"seed" min:"0" max:"18446744073709551615" fill:"0" doc:"Seed of all randomness. The same scenario with the same seed gives the same result."`
	Rounds       whole             `key:"rounds" min:"1" max:"1000000" fill:"1" doc:"Number of rounds to play at most; in each, every agent answers every question of turn."`
	Vars         table[constant]   `key:"vars" name:"true" doc:"Named constants for templates and expressions. 2/3 is an exact ratio: a number in expressions, 2/3 in templates."`
	Population   *populationDoc    `key:"population" required:"true" doc:"How many agents there are, and what they are drawn from."`
	Models       table[modelDoc]   `key:"models" required:"true" doc:"What speaks for the agents, by name."`
	Game         *gameDoc          `key:"game" doc:"Facts of a known game, for behavioural players. Never sent to a language model."`
	Agents       table[blockDoc]   `key:"agents" required:"true" doc:"Named blocks of agents. Give every block a count, or every block a share; a single block needs neither."`
	Groups       *groupsDoc        `key:"groups" later:"true" doc:"Divides the agents into groups."`
	State        table[source]     `key:"state" name:"true" later:"true" doc:"State of each agent: initial value or expression by name."`
	Memory       *memoryDoc        `key:"memory" doc:"What an agent remembers of earlier rounds. Without it: nothing."`
	Match        *matchDoc         `key:"match" later:"true" doc:"Matches agents with partners."`
	Graph        *graphDoc         `key:"graph" later:"true" doc:"Connects agents with neighbours."`
	Turn         list[questionDoc] `key:"turn" required:"true" doc:"The questions of a round, in order. Each sees the answers to earlier ones."`
	Budget       *budgetDoc        `key:"budget" doc:"What the run may spend on language models. It pauses before it would spend more."`
	Environments environments      `key:"environments" doc:"Shared states with functions, for code agents and for those who watch the run, by name. market/left is inside market."`
	Missing      *missingDoc       `key:"missing" doc:"What happens to an answer that could not be had."`
	Deadline     deadline          `key:"deadline" fill:"none" doc:"How long a round waits for answers: none, or a duration."`
	Update       *updateDoc        `key:"update" doc:"How a round's answers change the world."`
	Stop         source            `key:"stop" doc:"Ends the run after a round in which this expression is true. Sees vars, world, previous, round."`
	Report       *reportDoc        `key:"report" doc:"Extra results."`
	Generations  *generationsDoc   `key:"generations" later:"true" doc:"Replaces agents every few rounds."`
	Design       *designDoc        `key:"design" later:"true" doc:"An experiment: the scenario under several conditions."`
}

type populationDoc struct {
	place
	Size          whole                 `key:"size" required:"true" min:"1" max:"100000000" doc:"Number of agents."`
	Distributions list[distributionDoc] `key:"distributions" doc:"Aspects of the agents, each drawn with exact counts."`
	Background    *backgroundDoc        `key:"background" doc:"How an agent's aspects become a background text, .persona.background."`
}

type distributionDoc struct {
	place
	Name       word              `key:"name" doc:"Name of the aspect, as in .persona.education. Default: the template's name."`
	Template   word              `key:"template" enum:"age,gender,occupation,nationality,education" doc:"A built-in aspect with illustrative proportions, instead of categories."`
	Categories list[categoryDoc] `key:"categories" doc:"The values of the aspect. Proportions must sum to 1."`
}

type categoryDoc struct {
	place
	Name       word   `key:"name" required:"true" doc:"The value, as it appears in a persona."`
	Proportion number `key:"proportion" required:"true" min:"0" max:"1" doc:"Share of the agents, such as 0.25 or 1/4."`
}

type backgroundDoc struct {
	place
	Generator word `key:"generator" required:"true" enum:"none,template,llm" later:"llm" fill:"none" doc:"none: no background. template: a text made from the aspects, offline. llm: written by a model."`
}

type modelDoc struct {
	place
	Provider word `key:"provider" required:"true" enum:"openai,levelk,scripted,dummy,agent,replay" doc:"openai: a language model behind an OpenAI-compatible server. levelk: a behavioural player of the scenario's game. scripted: answers by expressions. dummy: waits, then answers at random. agent: a code agent, a program of your own. replay: what was answered in an earlier run, without asking any model."`

	Endpoints   list[word] `key:"endpoints" when:"openai" required:"true" doc:"Base URLs of the servers, such as http://localhost:8000/v1."`
	Model       word       `key:"model" when:"openai" required:"true" doc:"Name of the model, as the server knows it."`
	Temperature number     `key:"temperature" when:"openai" min:"0" max:"2" doc:"Sampling temperature. Default: the server's."`
	TopP        number     `key:"top_p" when:"openai" min:"0" max:"1" doc:"Nucleus sampling. Default: the server's."`
	MaxTokens   whole      `key:"max_tokens" when:"openai" min:"1" max:"1000000" doc:"Most tokens a reply may have. Default: the server's."`
	Timeout     span       `key:"timeout" when:"openai,agent" doc:"Longest time a call may take, such as 2m. Default: llmproxy's."`
	Concurrency whole      `key:"concurrency" when:"openai,agent" min:"1" max:"100000" doc:"Calls in flight for each endpoint, or for the agent. Default: llmproxy's."`
	APIKeyEnv   word       `key:"api_key_env" when:"openai" fill:"OPENAI_API_KEY" doc:"Environment variable of llmproxy that holds the API key."`

	Structured     word   `key:"structured" when:"openai" enum:"none,response_format,structured_outputs" fill:"none" doc:"Holds the server to the form of an answer. response_format: with OpenAI's JSON Schema. structured_outputs: with vLLM's own. none: replies are free."`
	ShareIdentical toggle `key:"share_identical" when:"openai" fill:"false" doc:"Asks agents with the same prompt once. Needs temperature: 0."`
	Hedge          toggle `key:"hedge" when:"openai" fill:"false" doc:"Sends the slowest calls, 1 % at most, a second time and takes the reply that comes first."`

	Tau source `key:"tau" when:"levelk" required:"true" doc:"Mean of the level of reasoning: a number, or an expression over persona and vars."`

	Answers table[source] `key:"answers" when:"scripted" required:"true" name:"true" doc:"An expression for each question of the turn, by question id. Sees vars, world, previous, round, persona, self."`
	Noise   number        `key:"noise" when:"scripted" min:"0" fill:"0" doc:"Half-width of the uniform noise added to number answers."`

	Latency span `key:"latency" when:"dummy" fill:"0s" doc:"How long each call takes, such as 1s."`

	Host  word `key:"host" when:"agent" required:"true" doc:"Name of the program that serves the agent, such as js-1."`
	Agent word `key:"agent" when:"agent" required:"true" doc:"Name of the agent there. It plays all agents whose model this is, and is told the number of each."`

	Run word `key:"run" when:"replay" required:"true" doc:"Id of the run whose completions are played again. They are found by round, agent, question and attempt."`
}

type gameDoc struct {
	place
	Kind     word   `key:"kind" required:"true" enum:"guess-average" doc:"guess-average: the target is offset + p times the average answer."`
	Question word   `key:"question" doc:"Id of the question the game is about. Default: the first number question."`
	P        source `key:"p" required:"true" doc:"Factor of the average, over vars."`
	Offset   source `key:"offset" fill:"0" doc:"Added to the target, over vars."`
	Low      source `key:"low" required:"true" doc:"Lowest answer, over vars."`
	High     source `key:"high" required:"true" doc:"Highest answer, over vars."`
}

type blockDoc struct {
	place
	Model  word   `key:"model" required:"true" doc:"Name of an entry of models."`
	Count  whole  `key:"count" min:"1" max:"100000000" doc:"Number of agents. The counts of all blocks sum to population.size."`
	Share  number `key:"share" min:"0" max:"1" doc:"Share of the agents, such as 0.5 or 1/3. The shares of all blocks sum to 1."`
	System prose  `key:"system" doc:"System prompt: a template over vars, world, previous, round, rounds, size, persona, self."`
}

type memoryDoc struct {
	place
	Turns remembered `key:"turns" required:"true" doc:"Earlier rounds an agent sees when it is asked again: all, none, or a number."`
	Keep  list[word] `key:"keep" enum:"question,answer,feedback" later:"feedback" doc:"What is kept of a round. Default: question and answer."`
}

type missingDoc struct {
	place
	Then     fallback `key:"then" doc:"exclude: left out. previous: the agent's answer of the round before. {value: EXPRESSION}: that value."`
	MinValid number   `key:"min_valid" min:"0" max:"1" fill:"0" doc:"Least share of valid answers of a round."`
	Below    word     `key:"below" enum:"pause,fail" fill:"pause" doc:"What happens when fewer answers are valid."`
}

type updateDoc struct {
	place
	Agent table[source] `key:"agent" name:"true" later:"true" doc:"New state of each agent, by name."`
	Group table[source] `key:"group" name:"true" later:"true" doc:"New state of each group, by name."`
	World table[source] `key:"world" name:"true" doc:"New value of each key of the world, from the old world and this round's answers."`
}

type reportDoc struct {
	place
	Winners   *winnersDoc `key:"winners" doc:"Who came closest."`
	Scorecard word        `key:"scorecard" later:"true" doc:"Data on people to compare with, such as nagel-1995."`
}

type winnersDoc struct {
	place
	Nearest source `key:"nearest" required:"true" doc:"The winners are the answers nearest to this. Sees what an update sees, with the new world."`
	Within  number `key:"within" min:"0" doc:"Also count the answers at most this far away."`
}
