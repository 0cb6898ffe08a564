package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

type askCmd struct {
	Subject string        `arg:"" help:"Request subject of an agent, host, environment or hub, with its verb." placeholder:"SUBJECT"`
	Content []string      `arg:"" optional:"" help:"What to say: a text, or JSON. Several words are one text." placeholder:"CONTENT"`
	Name    string        `help:"Name of the speaker." default:"user"`
	Sender  string        `help:"Address of the agent that speaks, such as code.local.alice." placeholder:"ADDRESS"`
	ID      string        `name:"request-id" help:"Request id: what was asked before with the same one is not done twice." placeholder:"ID"`
	Timeout time.Duration `help:"How long to wait for the answer." default:"2m"`
	Bare    bool          `help:"Print only the content of the answer."`
	dataFlags
}

// Help is shown by --help.
func (askCmd) Help() string {
	return `Sends a request and prints the answer as JSON. If the answer is a promise, what was promised is waited for.
An error of the other side is printed and ends the command with exit code 1.

Examples (a stack runs: myriad up):
  myriad ask myriad.run.demo.host.local.create '{"name":"alice","kind":"dialog","config":{"lines":["Hello."]}}'
  myriad ask myriad.run.demo.code.local.alice.reply 'How are you?'
  myriad ask myriad.run.demo.code.local.alice.state
  myriad ask myriad.run.demo.env.world.call.create
  myriad ask myriad.run.demo.env.world.call.incr '{"key":"visitors","by":1}' --request-id first
  myriad ask myriad.run.demo.hub.room.call.add '{"addresses":["code.local.alice"]}'
Subjects and verbs are listed in docs/protocol.md.`
}

// Run asks.
func (c *askCmd) Run(ctx context.Context, a *app) error {
	request := wire.Request{Encoding: msg.Msgpack, ID: c.ID, Sender: subjects.Address(c.Sender)}
	if c.Sender != "" {
		if err := request.Sender.Check(); err != nil {
			return fmt.Errorf("--sender: %w", err)
		}
	}
	if len(c.Content) > 0 {
		content, err := contentOf(strings.Join(c.Content, " "))
		if err != nil {
			return err
		}
		request.Msgs = []msg.Msg{msg.New(c.Name, msg.RoleUser, content)}
	}
	nc, done, err := c.connect(ctx, a)
	if err != nil {
		return err
	}
	defer done()
	ctx, cancel := context.WithTimeout(ctx, c.Timeout)
	defer cancel()
	answer, err := wire.Ask(ctx, nc, c.Subject, request)
	if errors.Is(err, wire.ErrNobody) {
		return fmt.Errorf("%w; is the stack running, and the subject right? See docs/protocol.md", err)
	}
	if err == nil && answer.Pending() {
		holder, failed := promise.NewHolder(nc, a.log)
		if failed != nil {
			return failed
		}
		defer holder.Close()
		answer, err = holder.Resolve(ctx, answer)
	}
	if err != nil {
		return err
	}
	if c.Bare {
		fmt.Fprintln(a.out, answer.Content.String())
		return nil
	}
	text, err := msg.JSON.Encode(answer)
	if err != nil {
		return err
	}
	fmt.Fprintln(a.out, string(text))
	return nil
}

// contentOf is JSON as data and anything else as a text.
func contentOf(text string) (msg.Content, error) {
	if json.Valid([]byte(text)) {
		return msg.Data(json.RawMessage(text))
	}
	return msg.Text(text), nil
}
