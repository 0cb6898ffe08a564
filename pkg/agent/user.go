package agent

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/myriad-sim/myriad/internal/promise"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// AnswersKey is the key in a message's metadata that says which question of an agent of the kind "user" it answers: the
// question's number, as the agent's state lists it.
const AnswersKey = "answers"

// maxQuestions bounds what waits for one person.
const maxQuestions = 1000

type userConfig struct {
	Name     string             `json:"name"`
	Audience []subjects.Address `json:"audience"`
}

func readUser(self *Self, config []byte) (userConfig, error) {
	var c userConfig
	if err := readConfig(config, &c); err != nil {
		return c, err
	}
	if c.Name == "" {
		c.Name = self.Name
	}
	return c, checkAudience(c.Audience)
}

// User is the kind "user": a person who answers over NATS, with whatever tool. Its configuration has name (its own if that
// is missing) and audience (addresses of agents that observe its answers; see Client.Tell). Both may be missing.
//
// What it is asked to reply becomes an open question, with a number, and the answer a promise; so any number of questions
// may be open, and nothing is held up. Its state lists them. A person, or a program for one, answers with an observe request
// whose message has the number in its metadata under AnswersKey; the rest of the message is the answer. Any other message it
// is told to observe is remembered, as are questions and answers.
//
// Open questions do not outlive the host program: who waits for an answer then gets ErrProducerLost, and may ask again. A
// question that is cancelled is closed. A person cannot be interviewed: nobody could take back what it was told.
func User(_ context.Context, self *Self, config []byte) (Agent, error) {
	c, err := readUser(self, config)
	if err != nil {
		return nil, err
	}
	return &user{self: self, name: c.Name, audience: c.Audience}, nil
}

// user is an agent for which a person answers. Its open questions are those of this life of the program.
type user struct {
	self      *Self
	name      string
	audience  []subjects.Address
	asked     uint64 // questions, ever
	questions []*question
}

// question is an open one.
type question struct {
	Number uint64    `json:"number"`
	Text   string    `json:"text"` // a message a line, with its speaker in front
	Asked  time.Time `json:"asked"`

	task *promise.Task
}

type userState struct {
	Asked     uint64      `json:"asked"`
	Questions []*question `json:"questions"`
}

// Reply opens a question.
func (u *user) Reply(_ context.Context, in ...msg.Msg) (msg.Msg, error) {
	u.closeCancelled()
	if len(u.questions) >= maxQuestions {
		return msg.Msg{}, fmt.Errorf("%w: %d questions wait for %s", ErrCrowded, maxQuestions, u.name)
	}
	place, task, err := u.self.Client.promise()
	if err != nil {
		return msg.Msg{}, err
	}
	u.self.Memory.Share(pointers(in)...)
	u.asked++
	q := &question{Number: u.asked, Asked: time.Now().UTC().Truncate(time.Millisecond), task: task}
	q.Text = transcript(in)
	u.questions = append(u.questions, q)
	return msg.Promise(u.name, place), nil
}

// Observe takes answers to open questions, and remembers everything else. If one of several messages answers no open
// question nothing is done.
func (u *user) Observe(_ context.Context, in ...msg.Msg) error {
	u.closeCancelled()
	open := slices.Clone(u.questions)
	answered := make([]*question, len(in)) // nil: the message is no answer
	for i, m := range in {
		said, ok := m.Metadata[AnswersKey]
		if !ok {
			continue
		}
		at := slices.IndexFunc(open, func(q *question) bool { return fmt.Sprint(said) == strconv.FormatUint(q.Number, 10) })
		if at < 0 {
			return fmt.Errorf("%w: message %d answers question %v, which is not open; open are %v", ErrBadRequest, i+1, said, numbers(u.questions))
		}
		answered[i] = open[at]
		open = slices.Delete(open, at, at+1)
	}
	u.questions = open
	for i := range in {
		if q := answered[i]; q != nil {
			u.answer(q, in[i])
		} else {
			u.self.Memory.Share(&in[i])
		}
	}
	return nil
}

func numbers(questions []*question) []uint64 {
	out := make([]uint64, len(questions))
	for i, q := range questions {
		out[i] = q.Number
	}
	return out
}

// answer gives the answer to a question to all who wait for it.
func (u *user) answer(q *question, m msg.Msg) {
	out := msg.New(u.name, msg.RoleUser, m.Content)
	out.URLs = m.URLs
	out.Metadata = maps.Clone(m.Metadata)
	delete(out.Metadata, AnswersKey)
	u.self.Memory.Append(out)
	q.task.Finish(out, nil)
	if err := u.self.Client.Tell(u.audience, out); err != nil {
		u.self.Log.Warn("nobody heard an answer", "question", q.Number, "error", err)
	}
}

// Interview refuses.
func (u *user) Interview(context.Context, ...msg.Msg) (msg.Msg, error) {
	return msg.Msg{}, fmt.Errorf("%w: a person cannot be interviewed without a trace; use reply", ErrBadRequest)
}

// closeCancelled closes the questions whose answer nobody wants any more.
func (u *user) closeCancelled() {
	u.questions = slices.DeleteFunc(slices.Clone(u.questions), func(q *question) bool {
		select {
		case <-q.task.Cancelled():
			return true
		default:
			return false
		}
	})
}

// ExportState lists the open questions.
func (u *user) ExportState() ([]byte, error) {
	return json.Marshal(userState{u.asked, u.questions})
}

// ImportState takes back what was opened since the state was exported. What a former life of the program opened is lost.
func (u *user) ImportState(state []byte) error {
	var in userState
	if err := json.Unmarshal(state, &in); err != nil {
		return fmt.Errorf("agent: the state of a user agent: %w", err)
	}
	known := numbers(in.Questions)
	u.questions = slices.DeleteFunc(slices.Clone(u.questions), func(q *question) bool {
		if slices.Contains(known, q.Number) {
			return false
		}
		q.task.Finish(msg.Msg{}, fmt.Errorf("%w: the question was taken back", ErrCancelled))
		return true
	})
	u.asked = in.Asked
	return nil
}
