package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// dialogConfig is the configuration of a Dialog.
type dialogConfig struct {
	Name     string             `json:"name"`
	System   string             `json:"system"`
	Model    json.RawMessage    `json:"model"`
	Lines    []string           `json:"lines"`
	Window   int                `json:"window"`
	Audience []subjects.Address `json:"audience"`
}

// Dialog is the kind "dialog": an agent that takes part in a conversation. It remembers what it is told and what it says.
// Its configuration has
//
//	name      who it says it is; its own name if that is missing
//	system    what the model is told about its part
//	model     the model that speaks for it: the keys of an entry of models: in a scenario, with provider openai
//	lines     instead of a model, what it says in turn, from the beginning again after the last
//	window    how many messages it remembers at most; all if that is missing or 0
//	audience  addresses of agents that observe what it answers; see Client.Tell
//
// The model sees what the agent said as its own words, and what others said as a user's, with their names in front. Its
// answers have the metadata "model", as the server names it, and "cut" if they ended at a limit of length. Lines are for those
// in an experiment who follow a script whatever is said to them, such as confederates, and for trying things out.
//
// In an interview it speaks as in a reply, but nobody hears and nothing stays.
func Dialog(_ context.Context, self *Self, config []byte) (Agent, error) {
	var c dialogConfig
	if err := readConfig(config, &c); err != nil {
		return nil, err
	}
	if err := checkAudience(c.Audience); err != nil {
		return nil, err
	}
	if c.Window < 0 {
		return nil, badConfig("window", "it must be at least 0, not %d", c.Window)
	}
	if (c.Model == nil) == (c.Lines == nil) {
		return nil, badConfig("", "a dialog agent needs either a model or lines")
	}
	if c.Name == "" {
		c.Name = self.Name
	}
	self.Memory.Window(c.Window)
	d := dialog{self: self, name: c.Name, audience: c.Audience}
	if c.Lines != nil {
		return newScript(d, c)
	}
	model, err := dialogModel(c.Model)
	if err != nil {
		return nil, err
	}
	s := &speaker{dialog: d, system: c.System, model: model}
	s.speak = s.ask
	return s, nil
}

func newScript(d dialog, c dialogConfig) (Agent, error) {
	switch {
	case c.System != "":
		return nil, badConfig("system", "it is for a model, and lines need none")
	case len(c.Lines) == 0:
		return nil, badConfig("lines", "there are none")
	}
	s := &script{dialog: d, lines: c.Lines}
	s.speak = s.recite
	return s, nil
}

// dialogModel reads the model of a configuration.
func dialogModel(raw json.RawMessage) (*scenario.Model, error) {
	var plain any // JSON may write characters in ways that YAML does not know
	if err := json.Unmarshal(raw, &plain); err != nil {
		return nil, badConfig("model", "%w", err)
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(plain); err != nil {
		return nil, badConfig("model", "%w", err)
	}
	model, err := scenario.ParseModel("model", b.Bytes())
	if list, ok := errors.AsType[scenario.Errors](err); ok {
		return nil, badConfig(list[0].Path, "%s", list[0].Msg)
	}
	switch {
	case err != nil:
		return nil, badConfig("model", "%w", err)
	case model.Behavioural():
		return nil, badConfig("model.provider", "a %s player plays the games of scenarios and cannot speak; use openai, or lines instead of a model", model.Provider)
	}
	model.Name = model.Model
	return model, nil
}

// dialog is what agents that speak have in common.
type dialog struct {
	self     *Self
	name     string
	audience []subjects.Address
	speak    func(ctx context.Context) (text string, about map[string]any, err error)
}

// Observe remembers.
func (d *dialog) Observe(_ context.Context, in ...msg.Msg) error {
	d.self.Memory.Share(pointers(in)...)
	return nil
}

// Interview answers so that nobody else hears.
func (d *dialog) Interview(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	d.self.Memory.Share(pointers(in)...)
	text, about, err := d.speak(ctx)
	if err != nil {
		return msg.Msg{}, err
	}
	out := msg.New(d.name, msg.RoleAssistant, msg.Text(text))
	out.Metadata = about
	return out, nil
}

// Reply remembers, speaks, and remembers that too.
func (d *dialog) Reply(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	out, err := d.Interview(ctx, in...)
	if err != nil {
		return msg.Msg{}, err
	}
	d.self.Memory.Append(out)
	return out, d.self.Client.Tell(d.audience, out)
}

// script is a dialog agent that says its lines.
type script struct {
	dialog
	lines []string
	said  int // how many lines
}

func (s *script) recite(context.Context) (string, map[string]any, error) {
	line := s.lines[s.said%len(s.lines)]
	s.said++
	return line, nil, nil
}

type scriptState struct {
	Said int `json:"said"`
}

// ExportState says how many lines were said.
func (s *script) ExportState() ([]byte, error) { return json.Marshal(scriptState{s.said}) }

// ImportState goes on after as many lines.
func (s *script) ImportState(state []byte) error {
	var in scriptState
	if err := json.Unmarshal(state, &in); err != nil {
		return fmt.Errorf("agent: the state of a dialog agent with lines: %w", err)
	}
	if in.Said < 0 {
		return fmt.Errorf("%w: the state of a dialog agent with lines: said is %d, it must be at least 0", ErrBadRequest, in.Said)
	}
	s.said = in.Said
	return nil
}

// speaker is a dialog agent for which a model speaks.
type speaker struct {
	dialog
	system string
	model  *scenario.Model
}

func (s *speaker) ask(ctx context.Context) (string, map[string]any, error) {
	got, err := s.self.Client.Complete(ctx, s.model, s.conversation())
	if err != nil {
		return "", nil, err
	}
	about := map[string]any{"model": got.Served}
	if got.Cut {
		about["cut"] = true
	}
	return unnamed(got.Text, s.name), about, nil
}

// yourTurn is what a model is told where nobody said anything: its servers expect a user at the beginning and at the end.
const yourTurn = "(It is your turn to speak.)"

// conversation is the memory as a model sees it: the two sides take turns, and the other side begins and ends.
func (s *speaker) conversation() []Message {
	var out []Message
	say := func(role msg.Role, text string) {
		if last := len(out) - 1; last >= 0 && out[last].Role == role {
			out[last].Content += "\n" + text
			return
		}
		out = append(out, Message{role, text})
	}
	for _, m := range s.self.Memory.Messages() {
		if m.Name == s.name {
			if len(out) == 0 {
				say(msg.RoleUser, yourTurn)
			}
			say(msg.RoleAssistant, words(m))
			continue
		}
		say(msg.RoleUser, spoken(m))
	}
	if len(out) == 0 || out[len(out)-1].Role != msg.RoleUser {
		say(msg.RoleUser, yourTurn)
	}
	if s.system != "" {
		out = slices.Insert(out, 0, Message{msg.RoleSystem, s.system})
	}
	return out
}

// words are what a message says, with the places of what belongs to it.
func words(m msg.Msg) string {
	return strings.Join(append([]string{m.Content.String()}, m.URLs...), "\n")
}

// spoken is what a message says, with its speaker in front.
func spoken(m msg.Msg) string {
	if m.Name == "" {
		return words(m)
	}
	return m.Name + ": " + words(m)
}

// unnamed takes the speaker's own name off what it said: models see names in front of what others say and write theirs too.
func unnamed(text, name string) string {
	if said, ok := strings.CutPrefix(strings.TrimSpace(text), name+":"); ok {
		return strings.TrimSpace(said)
	}
	return text
}
