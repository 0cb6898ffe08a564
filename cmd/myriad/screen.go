package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/myriad-sim/myriad/internal/control"
)

// screen is where a run reports to a person: stdout, or stderr where stdout is for JSON.
type screen struct {
	text      io.Writer
	tty       bool
	width     int
	color     bool
	bar       *progressbar.ProgressBar
	round     int    // the one shown
	inherited int    // rounds of another run, which are not shown as played
	cost      string // what the run has spent, to be shown with its progress; "" while there is nothing to tell
}

func newScreen(a *app, json bool) *screen {
	s := &screen{text: a.out, width: 100}
	if json {
		s.text = a.err
	}
	if f, ok := s.text.(*os.File); ok && term.IsTerminal(int(f.Fd())) { //nolint:gosec // a file descriptor fits
		s.tty = true
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 20 { //nolint:gosec // as above
			s.width = min(w, 140)
		}
		s.color = os.Getenv("NO_COLOR") == ""
	}
	return s
}

func (s *screen) printf(format string, args ...any) { fmt.Fprintf(s.text, format, args...) }

// How often the state of a run is read, and how often progress is printed where there is no bar.
const (
	pollEvery = 50 * time.Millisecond
	lineEvery = 5 * time.Second
)

// follow shows the progress of a run until it is over or paused. One that only waits for a model server goes on by itself.
func (s *session) follow(ctx context.Context, info control.Info) (control.Info, error) {
	t := time.NewTicker(pollEvery)
	defer t.Stop()
	line := time.Now()
	for {
		next, err := s.order(ctx, control.Status, control.Order{Run: info.ID})
		if err != nil {
			return info, err
		}
		s.patience(info, next)
		info = next
		stopped := info.Over() || info.State == control.StateDamaged || info.State == "paused" && !info.Waiting
		s.watchSpending(ctx, info.ID, stopped)
		if !info.Waiting {
			s.progress(info, &line)
		}
		if stopped {
			s.leave(info.State == "finished")
			return info, nil
		}
		select {
		case <-ctx.Done():
			return info, ctx.Err()
		case <-t.C:
		}
	}
}

// patience says that a run waits for a model server or for room in its log, and that it goes on.
func (s *screen) patience(last, next control.Info) {
	waited, waits := last.Waiting || last.Stalled(), next.Waiting || next.Stalled()
	switch {
	case next.Stalled() && !last.Stalled():
		s.say("The run %s; it goes on by itself when there is room (Ctrl-C stops, resume goes on)\n", next.Reason)
	case next.Waiting && !last.Waiting:
		s.say("Waiting: %s; the run goes on by itself when one is back (Ctrl-C stops, resume goes on)\n", next.Reason)
	case waited && !waits && next.State != "paused" && !next.Over():
		s.say("Going on.\n")
	}
}

// say prints a line above the bar, if there is one.
func (s *screen) say(format string, args ...any) {
	if s.bar != nil {
		_ = s.bar.Clear() // as in progress
	}
	s.printf(format, args...)
}

func (s *screen) progress(i control.Info, line *time.Time) {
	if i.Round <= s.inherited {
		return
	}
	for s.round < i.Round { // a quick round may open and close between two looks
		s.leave(true)
		s.round++
		if s.tty {
			s.bar = s.newBar(i.Expected, fmt.Sprintf("Round %d/%d", s.round, i.Rounds))
		}
	}
	if s.bar != nil {
		s.bar.Describe(fmt.Sprintf("Round %d/%d%s", s.round, i.Rounds, s.cost))
		_ = s.bar.Set(i.Answered) // a terminal that cannot be written to is no reason to stop a run
	} else if time.Since(*line) >= lineEvery {
		*line = time.Now()
		s.printf("Round %d/%d: %d of %d answers%s\n", i.Round, i.Rounds, i.Answered, i.Expected, s.cost)
	}
}

func (s *screen) newBar(total int, what string) *progressbar.ProgressBar {
	return progressbar.NewOptions(total,
		progressbar.OptionSetWriter(s.text), progressbar.OptionSetDescription(what),
		progressbar.OptionSetWidth(min(40, s.width/2)), progressbar.OptionShowCount(), progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(pollEvery))
}

// leave ends the display of a round, which may have been left open.
func (s *screen) leave(closed bool) {
	switch {
	case s.bar != nil && closed:
		_ = s.bar.Finish() // as in progress
		s.printf("\n")
	case s.bar != nil:
		_ = s.bar.Exit() // as in progress
		s.printf("\n")
	case s.round > s.inherited && closed:
		s.printf("Round %d closed\n", s.round)
	}
	s.bar = nil
}

// longExport is how long the writing of results must take for its progress to be shown.
const longExport = time.Second

// export shows how far the writing of results is.
type export struct {
	*screen
	total, done int
	line        time.Time // when to say something next
}

func (s *screen) export(total int) *export {
	return &export{screen: s, total: total, line: time.Now().Add(longExport)}
}

// add counts rows.
func (e *export) add(rows int) {
	e.done += rows
	now := time.Now()
	switch {
	case e.bar != nil:
		_ = e.bar.Set(e.done) // as in progress
	case now.Before(e.line):
	case e.tty:
		e.bar = e.newBar(e.total, "Writing results")
	default:
		e.line = now.Add(lineEvery)
		e.printf("Writing results: %d of %d rows\n", e.done, e.total)
	}
}

// leave ends the display.
func (e *export) leave(complete bool) {
	if e.bar == nil {
		return
	}
	if complete {
		_ = e.bar.Finish() // as in progress
	} else {
		_ = e.bar.Exit() // as in progress
	}
	e.printf("\n")
	e.bar = nil
}
