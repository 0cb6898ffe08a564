package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/prompt"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/template"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

type previewCmd struct {
	File  string             `arg:"" help:"Scenario file (YAML)." placeholder:"FILE"`
	Agent int                `help:"Number of the agent, from 0." default:"0" placeholder:"N"`
	Round int                `help:"Round, from 1." default:"1" placeholder:"N"`
	World map[string]float64 `help:"Value of a world key after the round before, e.g. --world target=33.5; 0 where not given." placeholder:"KEY=NUMBER" mapsep:"none"`
	overrideFlags
}

// Help is shown by --help.
func (previewCmd) Help() string {
	return `Earlier answers are not known before a run: they are shown as <answer to ID>.

Example:
  myriad preview examples/guess-two-thirds.yaml --agent 17 --round 2 --world target=33.5`
}

// Run prints the messages.
func (c *previewCmd) Run(ctx context.Context, a *app) error {
	sc, err := load(c.File, c.overrideFlags)
	if err != nil {
		return err
	}
	if c.Agent < 0 || c.Agent >= sc.Population.Size {
		return fmt.Errorf("--agent %d: the scenario has agents 0..%d", c.Agent, sc.Population.Size-1)
	}
	if c.Round < 1 || c.Round > sc.Rounds {
		return fmt.Errorf("--round %d: the scenario has rounds 1..%d", c.Round, sc.Rounds)
	}
	pop, err := population.Draw(ctx, population.FromScenario(sc), nil)
	if err != nil {
		return err
	}
	world, err := c.world(sc)
	if err != nil {
		return err
	}
	var rounds []*prompt.Round
	for n := 1; n <= c.Round; n++ {
		sh := template.Shared{Vars: sc.Vars, World: world, Previous: world, Round: n, Rounds: sc.Rounds, Size: sc.Population.Size}
		if n == 1 {
			sh.World, sh.Previous = map[string]float64{}, map[string]float64{}
		} else if n == 2 {
			sh.Previous = map[string]float64{}
		}
		r, err := prompt.NewRound(sc, sh)
		if err != nil {
			return err
		}
		rounds = append(rounds, r)
	}
	return c.print(a, sc, pop, rounds)
}

func (c *previewCmd) world(sc *scenario.Scenario) (map[string]float64, error) {
	world := map[string]float64{}
	for _, k := range sc.WorldKeys() {
		world[k] = 0
	}
	for k, v := range c.World {
		if _, ok := world[k]; !ok {
			return nil, fmt.Errorf("--world %s: the scenario's world has %v", k, sc.WorldKeys())
		}
		world[k] = v
	}
	return world, nil
}

func (c *previewCmd) print(a *app, sc *scenario.Scenario, pop *population.Population, rounds []*prompt.Round) error {
	block := 0
	for i := range sc.Blocks {
		if sc.BlockOf(c.Agent) == &sc.Blocks[i] {
			block = i
		}
	}
	model := sc.Model(sc.Blocks[block].Model)
	fmt.Fprintf(a.out, "Agent %d of %s (%s), round %d, model %s: %s\n", c.Agent, sc.Blocks[block].Name, sc.Name, c.Round, model.Name, results.Note(*model))
	if model.Behavioural() && !model.Outside() {
		fmt.Fprintln(a.out, "This player does not read these messages; a language model in its place would.")
	}
	now := rounds[len(rounds)-1]
	past := prompt.Past{}
	if keep := sc.Memory.Turns; keep != 0 {
		first := 0
		if keep > 0 {
			first = max(0, len(rounds)-1-keep)
		}
		for _, r := range rounds[first : len(rounds)-1] {
			t := prompt.Turn{Round: r, Agent: stranger{c.Agent, sc, pop, r.Number()}}
			for _, q := range sc.Turn {
				t.Replies = append(t.Replies, placeholder(q.ID))
			}
			past.Turns = append(past.Turns, t)
		}
	}
	total := 0
	for q, question := range sc.Turn {
		messages, err := now.Messages(sc, stranger{c.Agent, sc, pop, c.Round}, block, q, past)
		if err != nil {
			return err
		}
		if system := now.SharedSystem(block); system != "" {
			messages = append([]llm.Message{{Role: llm.RoleSystem, Content: system}}, messages...)
		}
		tokens := 0
		fmt.Fprintf(a.out, "\n=== question %s ===\n", question.ID)
		for _, m := range messages {
			attached, err := attachments(m.Parts)
			if err != nil {
				return err
			}
			fmt.Fprintf(a.out, "[%s]\n%s\n%s\n", m.Role, m.Content, attached)
			tokens += estimate(m.Content)
		}
		fmt.Fprintf(a.out, "about %d tokens\n", tokens)
		total += tokens
		past.Earlier = append(past.Earlier, placeholder(question.ID))
	}
	fmt.Fprintf(a.out, "\nAbout %d prompt tokens of text for this agent's turn, %d for all %d agents in such a round (at 4 characters a token).\n",
		total, total*sc.Population.Size, sc.Population.Size)
	return nil
}

// attachments tells what goes with a message, a line for each part. Data is told by its beginning: it is long, and no text.
func attachments(parts []byte) (string, error) {
	if parts == nil {
		return "", nil
	}
	var list []struct {
		Type  string `json:"type"`
		Image struct {
			URL string `json:"url"`
		} `json:"image_url"`
		Audio struct {
			URL string `json:"url"`
		} `json:"audio_url"`
		Sound struct {
			Data   string `json:"data"`
			Format string `json:"format"`
		} `json:"input_audio"`
	}
	if err := json.Unmarshal(parts, &list); err != nil {
		return "", err
	}
	var b strings.Builder
	for _, p := range list {
		said := p.Image.URL + p.Audio.URL
		if p.Sound.Data != "" {
			said = p.Sound.Format + ", " + p.Sound.Data
		}
		const most = 100
		if len(said) > most && (p.Sound.Data != "" || strings.HasPrefix(said, "data:")) {
			said = fmt.Sprintf("%s… (%d bytes)", said[:most], len(said))
		}
		fmt.Fprintf(&b, "+ %s: %s\n", p.Type, said)
	}
	return b.String(), nil
}

func placeholder(question string) string { return "<answer to " + question + ">" }

// estimate is the usual rule of thumb, and a few tokens for the frame of a message.
func estimate(text string) int { return len([]rune(text))/4 + 4 }

// stranger is an agent whose answers are not known.
type stranger struct {
	number int
	sc     *scenario.Scenario
	pop    *population.Population
	round  int
}

// Number is the agent's number.
func (s stranger) Number() int { return s.number }

// Block is the name of the agent's block.
func (s stranger) Block() string { return s.sc.BlockOf(s.number).Name }

// AppendPersona appends an attribute of the agent.
func (s stranger) AppendPersona(dst []byte, name string) []byte {
	dst, _ = s.pop.AppendLookup(dst, s.number, name)
	return dst
}

// AppendLast stands for the answer of the round before.
func (s stranger) AppendLast(dst []byte, q string) []byte {
	if s.round == 1 {
		return dst
	}
	return append(dst, placeholder(q)...)
}

// AppendAnswer stands for the answer to an earlier question.
func (s stranger) AppendAnswer(dst []byte, q string) []byte { return append(dst, placeholder(q)...) }
