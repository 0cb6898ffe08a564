package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"unicode"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// maxLine is the most bytes a person may type on one line.
const maxLine = 256 << 10

// UserAt returns a kind of agents for which the person at a terminal answers: what an agent is asked is written to out, and
// one line read from in is the answer. All agents of the kind share the terminal; one question is asked at a time. The
// configuration is that of User.
//
// A read that waits for a person cannot be ended. Where a question is given up the read goes on, and the line that it brings
// answers the next question; at the end of the program, close in or leave it to the operating system. Once in has ended, the
// agents answer with ErrUnavailable.
func UserAt(in io.Reader, out io.Writer) Kind {
	t := &terminal{out: out, turn: make(chan struct{}, 1), lines: make(chan line, 1)}
	t.in = bufio.NewReaderSize(in, maxLine)
	return func(_ context.Context, self *Self, config []byte) (Agent, error) {
		c, err := readUser(self, config)
		if err != nil {
			return nil, err
		}
		return &seated{self, c.Name, c.Audience, t}, nil
	}
}

// terminal is where a person sits.
type terminal struct {
	in      *bufio.Reader
	writing sync.Mutex
	out     io.Writer
	turn    chan struct{} // holds one: whoever asks has put it in
	reading bool          // somebody reads a line; belongs to whose turn it is
	lines   chan line
}

type line struct {
	text string
	err  error
}

// ask puts a question and waits for a line.
func (t *terminal) ask(ctx context.Context, name, text string) (string, error) {
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	defer func() { <-t.turn }()
	if err := t.show(fmt.Sprintf("%s\n%s> ", text, name)); err != nil {
		return "", err
	}
	if !t.reading {
		t.reading = true
		go t.read() // ends with the line that it reads
	}
	select {
	case l := <-t.lines:
		t.reading = false
		return l.text, l.err
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

// show writes for the person. Whatever could control a terminal is left out: it may come from anywhere.
func (t *terminal) show(text string) error {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
	t.writing.Lock()
	defer t.writing.Unlock()
	if _, err := io.WriteString(t.out, text); err != nil {
		return fmt.Errorf("%w: the terminal: %w", ErrUnavailable, err)
	}
	return nil
}

// read reads one line. One that is longer than maxLine is an error, and gone.
func (t *terminal) read() {
	text, err := t.in.ReadSlice('\n')
	got := strings.ToValidUTF8(strings.TrimRight(string(text), "\r\n"), "\uFFFD")
	long := errors.Is(err, bufio.ErrBufferFull)
	for errors.Is(err, bufio.ErrBufferFull) {
		_, err = t.in.ReadSlice('\n')
	}
	switch {
	case long:
		err = fmt.Errorf("%w: a line of more than %d bytes", ErrTooLarge, maxLine)
	case errors.Is(err, io.EOF) && got != "": // the last line may have no end
		err = nil
	case err != nil:
		err = fmt.Errorf("%w: nobody is at the terminal: %w", ErrUnavailable, err)
	}
	t.lines <- line{got, err}
}

// seated is an agent for which the person at a terminal answers.
type seated struct {
	self     *Self
	name     string
	audience []subjects.Address
	at       *terminal
}

// Interview asks the person, and nobody else hears.
func (s *seated) Interview(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	text, err := wire.Wait(ctx, func() (string, error) { return s.at.ask(ctx, s.name, transcript(in)) })
	if err != nil {
		return msg.Msg{}, err
	}
	s.self.Memory.Share(pointers(in)...)
	return msg.New(s.name, msg.RoleUser, msg.Text(text)), nil
}

// Reply asks the person.
func (s *seated) Reply(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	out, err := s.Interview(ctx, in...)
	if err != nil {
		return msg.Msg{}, err
	}
	s.self.Memory.Append(out)
	return out, s.self.Client.Tell(s.audience, out)
}

// Observe shows the person what was said.
func (s *seated) Observe(_ context.Context, in ...msg.Msg) error {
	s.self.Memory.Share(pointers(in)...)
	if len(in) == 0 {
		return nil
	}
	return s.at.show(transcript(in) + "\n")
}

// transcript is who said what, a message a line.
func transcript(in []msg.Msg) string {
	lines := make([]string, len(in))
	for i, m := range in {
		lines[i] = spoken(m)
	}
	return strings.Join(lines, "\n")
}
