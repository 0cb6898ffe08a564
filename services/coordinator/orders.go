package coordinator

import (
	"context"
	"crypto/rand"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// submit records a new run. The scenario is validated first; nothing is written for one that does not load.
func (s *Service) submit(ctx context.Context, in control.Submission) (control.Info, error) {
	sc, err := scenario.Load(in.File, []byte(in.Source), in.Overrides)
	if err != nil {
		return control.Info{}, err
	}
	size := in.ShardSize
	if size == 0 {
		size = s.cfg.ShardSize
	}
	if size < 1 || size > 65536 {
		return control.Info{}, &control.Problem{Code: "invalid", Detail: fmt.Sprintf("shard_size %d, want 1..65536", size)}
	}
	return s.begin(ctx, sc.Name, sc, runlog.Created{
		Name: sc.Name, File: in.File, Source: []byte(in.Source), Overrides: in.Overrides, Agents: sc.Population.Size, ShardSize: size,
	})
}

// begin records a run of this process, under an id that begins with a name.
func (s *Service) begin(ctx context.Context, name string, sc *scenario.Scenario, created runlog.Created) (control.Info, error) {
	if err := s.replayable(ctx, sc); err != nil {
		return control.Info{}, err
	}
	id := newID(name)
	h := runlog.Header{Kind: subjects.KindCreated, Run: id, Writer: s.cfg.ID}
	s.claim(id, true) // the first look at the log may come after this record, and find it an old one
	if _, err := runlog.AppendControl(ctx, s.js, h, created, 0); err != nil {
		s.claim(id, false)
		return control.Info{}, err
	}
	s.log.Info("run created", "run", id, "scenario", sc.Name, "agents", sc.Population.Size)
	i := control.Info{
		ID: id, Scenario: sc.Name, State: "created", Seed: sc.Seed, Agents: sc.Population.Size, Rounds: sc.Rounds, Fork: forkOf(&created),
		Expected: sc.Population.Size * len(sc.Turn), Created: time.Now().UTC(),
	}
	if i.Fork != nil && i.Fork.Round > 0 {
		i.Round, i.Answered = i.Fork.Round, i.Expected
	}
	return i, nil
}

// claim says that a run is one of this process, or that it is not after all.
func (s *Service) claim(id string, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if mine {
		s.mine[id] = true
	} else {
		delete(s.mine, id)
	}
}

// newID makes a run id that people can read and that needs no escaping anywhere.
func newID(name string) string {
	var slug strings.Builder
	for _, c := range strings.ToLower(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			slug.WriteRune(c)
		case slug.Len() > 0 && !strings.HasSuffix(slug.String(), "-"):
			slug.WriteByte('-')
		}
		if slug.Len() >= 40 {
			break
		}
	}
	var random [5]byte
	_, _ = rand.Read(random[:]) // never fails
	tail := strings.ToLower(base32.StdEncoding.EncodeToString(random[:]))
	if base := strings.Trim(slug.String(), "-"); base != "" {
		return base + "-" + tail
	}
	return "run-" + tail
}

// change appends a control record to a run that is not over, deciding again when another record gets in between. decide says
// what is in the record, or why there is to be none.
func (s *Service) change(ctx context.Context, run, kind string, decide func(*runlog.State) (runlog.Reason, error)) (control.Info, error) {
	for {
		st, err := s.read(ctx, run)
		if err != nil {
			return control.Info{}, err
		}
		if st.Phase.Over() {
			return control.Info{}, fmt.Errorf("%w: %s is %s", ErrOver, run, st.Status())
		}
		body, err := decide(st)
		if err != nil {
			return info(st), err
		}
		h := runlog.Header{Kind: kind, Run: run, Round: st.Round, Writer: s.cfg.ID}
		_, err = runlog.AppendControl(ctx, s.js, h, body, st.CtlSeq)
		if errors.Is(err, runlog.ErrConflict) {
			continue
		}
		if err != nil {
			return control.Info{}, err
		}
		if st, err = s.read(ctx, run); err != nil {
			return control.Info{}, err
		}
		s.project(ctx, st)
		if kind == subjects.KindResumed {
			s.await(ctx, run, st.CtlSeq)
		}
		return info(st), nil
	}
}

// await waits until the driver of a run has seen a control record, or who resumed the run would still find it paused.
func (s *Service) await(ctx context.Context, run string, seq uint64) {
	look := time.NewTicker(5 * time.Millisecond)
	defer look.Stop()
	for {
		s.mu.Lock()
		d := s.drivers[run]
		s.mu.Unlock()
		if d == nil || d.hasSeen(seq) {
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
	}
}

// errAlready ends a change that is not needed any more.
var errAlready = errors.New("already so")

func (s *Service) pause(ctx context.Context, o control.Order) (control.Info, error) {
	return s.pauseFor(ctx, o.Run, runlog.Reason{Reason: o.Reason})
}

// pauseFor pauses a run that is going, or one that only waits for a server and would go on by itself.
func (s *Service) pauseFor(ctx context.Context, run string, why runlog.Reason) (control.Info, error) {
	i, err := s.change(ctx, run, subjects.KindPaused, func(st *runlog.State) (runlog.Reason, error) {
		if st.Paused && !st.Waiting {
			return why, errAlready
		}
		return why, nil
	})
	if errors.Is(err, errAlready) {
		err = nil
	}
	return i, err
}

// resume sets a paused run going. A run that was held back at start is not paused in the log; it is simply let go. One that
// the first look at the log has not found yet will not be held back.
func (s *Service) resume(ctx context.Context, o control.Order) (control.Info, error) {
	s.mu.Lock()
	d := s.drivers[o.Run]
	released := d == nil
	if released {
		s.mine[o.Run] = true
	}
	s.mu.Unlock()
	if d != nil {
		d.mu.Lock()
		released, d.held = d.held, false
		d.mu.Unlock()
		d.wake()
	}
	i, err := s.change(ctx, o.Run, subjects.KindResumed, func(st *runlog.State) (runlog.Reason, error) {
		if !st.Paused && !released {
			return runlog.Reason{}, fmt.Errorf("%w: %s is %s", ErrNotPaused, o.Run, st.Status())
		}
		caps, err := s.fund(ctx, st, o.Caps)
		return runlog.Reason{Reason: o.Reason, Caps: caps}, err
	})
	if err != nil {
		s.claim(o.Run, false)
	}
	return i, err
}

func (s *Service) cancelRun(ctx context.Context, o control.Order) (control.Info, error) {
	return s.change(ctx, o.Run, subjects.KindCancelled, always(runlog.Reason{Reason: o.Reason}))
}

func always(why runlog.Reason) func(*runlog.State) (runlog.Reason, error) {
	return func(*runlog.State) (runlog.Reason, error) { return why, nil }
}

// hearTrouble stops a run that a host or an environment cannot go on with. Without a run it is about the log, see hearStall.
func (s *Service) hearTrouble(ctx context.Context, t runlog.Trouble) error {
	if t.Run == "" && t.Reason != "" {
		s.hearStall(ctx, t)
		return nil
	}
	s.log.Info("trouble reported", "run", t.Run, "from", t.From, "reason", t.Reason, "fatal", t.Fatal, "budget", t.Budget)
	why := runlog.Reason{Reason: t.Reason, Trouble: !t.Budget, Budget: t.Budget}
	var err error
	if t.Fatal {
		_, err = s.change(ctx, t.Run, subjects.KindFailed, always(why))
	} else {
		_, err = s.pauseFor(ctx, t.Run, why)
	}
	if errors.Is(err, ErrOver) {
		return nil
	}
	return err
}

// status is the state of a run, with the progress of its open round where this coordinator drives it.
func (s *Service) status(ctx context.Context, run string) (control.Info, error) {
	if err := s.isLost(run); err != nil {
		return s.damagedInfo(ctx, run, err.Error()), nil
	}
	s.mu.Lock()
	d := s.drivers[run]
	s.mu.Unlock()
	if d != nil {
		if now := d.shown.Load(); now != nil {
			i := now.info
			s.explain(&i)
			return i, nil
		}
	}
	st, err := s.read(ctx, run)
	if err != nil {
		return control.Info{}, err
	}
	return info(st), nil
}

func (s *Service) read(ctx context.Context, run string) (*runlog.State, error) {
	if err := s.isLost(run); err != nil {
		return nil, err
	}
	st, err := runlog.ReadControl(ctx, s.js, run)
	if err != nil && damaged(err) {
		return nil, fmt.Errorf("%w: %w; see: myriad verify %s", ErrDamaged, err, run)
	}
	if errors.Is(err, runlog.ErrNoRun) {
		return nil, fmt.Errorf("%w: %q", ErrNoRun, run)
	}
	return st, err
}

func info(s *runlog.State) control.Info {
	i := control.Info{
		ID: s.Run, Scenario: s.Created.Name, State: s.Status(), Reason: s.Reason, Seed: s.Scenario.Seed, Agents: s.Created.Agents,
		Round: s.Round, Rounds: s.Scenario.Rounds, Waiting: s.Waiting, Expected: s.Created.Agents * len(s.Scenario.Turn), Created: s.CreatedAt.UTC(),
		Fork: forkOf(&s.Created), Seq: s.CtlSeq,
	}
	if s.Phase != runlog.PhaseOpen && s.Round > 0 {
		i.Answered = i.Expected
	}
	if s.Phase.Over() {
		ended := s.EndedAt.UTC()
		i.Ended = &ended
	}
	if s.Phase == runlog.PhaseFinished {
		i.Hash = hex.EncodeToString(s.Hash)
	}
	return i
}

// project puts what is in the log into the bucket of runs, where lists are read from, and reports whether that worked.
func (s *Service) project(ctx context.Context, st *runlog.State) bool {
	data, err := json.Marshal(info(st))
	if err == nil {
		_, err = s.runs.Put(ctx, subjects.Encode(st.Run), data)
	}
	if err != nil && ctx.Err() == nil {
		s.log.Warn("run not projected", "run", st.Run, "error", err)
	}
	return err == nil
}

// list returns the runs in the bucket, newest first.
func (s *Service) list(ctx context.Context) ([]control.Info, error) { return control.List(ctx, s.runs) }
