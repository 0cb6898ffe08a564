package runlog

import (
	"bytes"
	"fmt"
	"time"

	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Entry is one record as the stream delivers it.
type Entry struct {
	Subject string
	Seq     uint64
	Time    time.Time
	Data    []byte
}

// Fold turns the records of one run, applied in stream order, into its state. It is not safe for concurrent use.
//
// An answer is accepted if it is the first for its (round, agent, question), its round is open, and its epoch is that of
// the latest lease of its shard.
type Fold struct {
	State
	columns []*stats.Column // of the open or last closed round, by question; nil without WithAnswers
	texts   [][]textSum
	left    int // answers the open round still needs
	last    uint64
	totals  Closed // running totals of the open round

	answers bool
	only    func(shard int) bool // nil: all shards
	accept  func(round int, a *Answers, positions []int)
}

// Option changes what a fold keeps.
type Option func(*Fold)

// WithAnswers makes the fold keep the answers of the current round, which Close, Columns and the verification of digests
// need. Such a fold must be given every answer record.
func WithAnswers() Option { return func(f *Fold) { f.answers = true } }

// WithAccept calls fn for each answer record that holds accepted answers, with their positions in it. It implies WithAnswers.
func WithAccept(fn func(round int, a *Answers, positions []int)) Option {
	return func(f *Fold) { f.answers, f.accept = true, fn }
}

// WithShards makes the fold look at the answers of the shards for which want is true and not verify digests, so that the
// answer records of other shards need not be read. A host that takes over shards recovers them this way.
func WithShards(want func(shard int) bool) Option { return func(f *Fold) { f.only = want } }

// NewFold returns the fold of a run of which no record was applied yet.
func NewFold(run string, opts ...Option) *Fold {
	f := &Fold{State: State{Run: run}}
	for _, o := range opts {
		o(f)
	}
	return f
}

// Columns returns the answers of the current round by question, nil without WithAnswers. They stay valid until the next
// round opens.
func (f *Fold) Columns() []*stats.Column { return f.columns }

// Complete reports whether the open round has an answer of every agent to every question.
func (f *Fold) Complete() bool { return f.Phase == PhaseOpen && f.left == 0 }

// Left is the number of answers the open round still needs.
func (f *Fold) Left() int { return f.left }

// Apply applies the next record and returns its header. An error of a control record leaves the state as it was and is
// final for the run; a damaged or foreign answer record is counted as a fault and dropped.
func (f *Fold) Apply(e Entry) (Header, error) {
	if e.Seq <= f.Seq {
		return Header{}, nil
	}
	at, err := subjects.ParseLog(e.Subject)
	if err != nil || at.Run != f.Run {
		return Header{}, fmt.Errorf("%w: record %d is on subject %q", ErrDamaged, e.Seq, e.Subject)
	}
	h, body, err := Decode(e.Data)
	if err == nil && h.Run != f.Run {
		err = fmt.Errorf("%w: record of run %q on subject %q", ErrDamaged, h.Run, e.Subject)
	}
	control := at.Class == subjects.ClassControl
	if err == nil && control && h.Kind != at.Kind {
		err = fmt.Errorf("%w: %s record on subject %q", ErrDamaged, h.Kind, e.Subject)
	}
	if err == nil {
		switch at.Class {
		case subjects.ClassControl:
			err = f.applyControl(h, body, e)
		case subjects.ClassAnswer:
			err = f.applyAnswers(h, body, e)
		case subjects.ClassAsked:
			err = f.applyAsked(body)
		}
	}
	if err != nil {
		err = fmt.Errorf("run %s, record %d: %w", f.Run, e.Seq, err)
		if control {
			return h, err
		}
		f.Faults = append(f.Faults, Fault{At: e.Time, What: err.Error()})
	}
	f.Seq = e.Seq
	if control {
		f.CtlSeq = e.Seq
	}
	return h, nil
}

func (f *Fold) applyControl(h Header, body []byte, e Entry) error {
	if f.Phase.Over() || (f.Phase == PhaseNone) != (h.Kind == subjects.KindCreated) {
		return fmt.Errorf("%w: %s in a run that is %s", ErrOrder, h.Kind, f.Status())
	}
	switch h.Kind {
	case subjects.KindCreated:
		return f.created(body, e)
	case subjects.KindPopulated:
		var b Populated
		if err := decodeBody(body, &b); err != nil {
			return err
		}
		if f.Phase != PhaseCreated {
			return fmt.Errorf("%w: populated twice", ErrOrder)
		}
		f.Population, f.Phase = b.Population, PhaseReady
	case subjects.KindLease:
		return f.lease(h, body)
	case subjects.KindOpened:
		return f.opened(h, body, e)
	case subjects.KindClosed:
		return f.closed(h, body, e)
	case subjects.KindEnvState:
		return f.envState(h, body)
	default:
		return f.turn(h, body, e)
	}
	return nil
}

func (f *Fold) created(body []byte, e Entry) error {
	var b Created
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	s, err := scenario.Load(b.File, b.Source, b.Overrides)
	if err != nil {
		return fmt.Errorf("%w: the recorded scenario no longer loads: %w", ErrDamaged, err)
	}
	if b.ShardSize < 1 || b.Agents != s.Population.Size {
		return fmt.Errorf("%w: created for %d agents in shards of %d, the scenario has %d", ErrDamaged, b.Agents, b.ShardSize, s.Population.Size)
	}
	f.Created, f.CreatedAt, f.Scenario, f.Phase = b, e.Time, s, PhaseCreated
	f.World, f.Previous = map[string]float64{}, map[string]float64{}
	f.Grants = make([]Grant, f.Shards())
	return nil
}

func (f *Fold) lease(h Header, body []byte) error {
	var b Lease
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	if h.Epoch != f.Epoch+1 {
		return fmt.Errorf("%w: lease with epoch %d after %d", ErrOrder, h.Epoch, f.Epoch)
	}
	for _, r := range b.Ranges {
		if r.First < 0 || r.End > len(f.Grants) || r.First >= r.End {
			return fmt.Errorf("%w: lease of shards %d..%d of %d", ErrDamaged, r.First, r.End, len(f.Grants))
		}
	}
	for _, r := range b.Ranges {
		for shard := r.First; shard < r.End; shard++ {
			if f.Round > 0 && f.Grants[shard].Incarnation != b.Incarnation {
				f.Takeovers++
			}
			f.Grants[shard] = Grant{Host: b.Host, Incarnation: b.Incarnation, Epoch: h.Epoch}
		}
	}
	f.Epoch = h.Epoch
	return nil
}

func (f *Fold) opened(h Header, body []byte, e Entry) error {
	var b Opened
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	next := f.Phase == PhaseReady && h.Round == f.Round+1 && b.Attempt == 0
	again := f.Phase == PhaseOpen && h.Round == f.Round && b.Attempt == f.Opened.Attempt+1
	if !next && !again {
		return fmt.Errorf("%w: round %d (attempt %d) opened after round %d", ErrOrder, h.Round, b.Attempt, f.Round)
	}
	f.Phase, f.Round, f.Opened, f.OpenedAt = PhaseOpen, h.Round, b, e.Time
	f.totals = Closed{}
	n := f.Created.Agents
	f.left = n * len(f.Scenario.Turn)
	if !f.answers {
		return nil
	}
	if f.columns == nil {
		for _, q := range f.Scenario.Turn {
			f.columns = append(f.columns, &stats.Column{Decimals: q.Answer.Decimals, Status: make([]stats.Status, n), Values: make([]int64, n)})
			f.texts = append(f.texts, make([]textSum, n))
		}
		return nil
	}
	for i, c := range f.columns {
		clear(c.Status)
		clear(c.Values)
		clear(f.texts[i])
	}
	return nil
}

func (f *Fold) closed(h Header, body []byte, e Entry) error {
	var b Closed
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	if f.Phase != PhaseOpen || h.Round != f.Round {
		return fmt.Errorf("%w: round %d closed, round %d is open", ErrOrder, h.Round, f.Round)
	}
	if f.answers && f.only == nil {
		if f.left > 0 || b.UptoSeq != f.last {
			return fmt.Errorf("%w: round %d closed at record %d; %d answers missing, last accepted in record %d", ErrDigest, h.Round, b.UptoSeq, f.left, f.last)
		}
		if root := digestRoot(h.Round, f.columns, f.texts); !bytes.Equal(root, b.Root) {
			return fmt.Errorf("%w: round %d has %x, the log says %x", ErrDigest, h.Round, root[:8], b.Root)
		}
	}
	if chain := digestChain(f.Chain, b.Root); !bytes.Equal(chain, b.Chain) {
		return fmt.Errorf("%w: chain of round %d", ErrDigest, h.Round)
	}
	f.Phase, f.ClosedAt, f.Chain = PhaseClosed, e.Time, b.Chain
	f.Expected += uint64(f.Created.Agents * len(f.Scenario.Turn)) //nolint:gosec // both positive
	f.Accepted += b.Accepted
	if !f.answers { // otherwise counted answer by answer
		f.Asked += b.Asked
		f.Duplicates += b.Duplicates
	}
	f.Rounds = append(f.Rounds, RoundResult{Round: h.Round, Attempt: f.Opened.Attempt, OpenedAt: f.OpenedAt, ClosedAt: e.Time, Closed: b})
	return nil
}

func (f *Fold) envState(h Header, body []byte) error {
	var b EnvState
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	if f.Phase != PhaseClosed || h.Round != f.Round {
		return fmt.Errorf("%w: world of round %d, round %d is closed", ErrOrder, h.Round, f.Round)
	}
	f.Phase = PhaseReady
	f.World, f.Previous = b.World, f.World
	f.Rounds[len(f.Rounds)-1].Env = &b
	return nil
}

// turn applies the records that stop a run or set it going again.
func (f *Fold) turn(h Header, body []byte, e Entry) error {
	var b Reason
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	switch h.Kind {
	case subjects.KindPaused:
		f.Paused, f.PausedIn = true, f.Opening()
		f.Faults = append(f.Faults, Fault{At: e.Time, What: "paused: " + b.Reason})
	case subjects.KindResumed:
		f.Paused = false
	case subjects.KindCancelled:
		f.Phase, f.EndedAt = PhaseCancelled, e.Time
	case subjects.KindFailed:
		f.Phase, f.EndedAt = PhaseFailed, e.Time
	case subjects.KindFinished:
		if f.Phase != PhaseReady || !bytes.Equal(b.Hash, f.Chain) {
			return fmt.Errorf("%w: finished after round %d", ErrOrder, f.Round)
		}
		f.Phase, f.EndedAt, f.Hash = PhaseFinished, e.Time, b.Hash
	default:
		return fmt.Errorf("%w: unknown control kind %q", ErrVersion, h.Kind)
	}
	f.Reason = b.Reason
	return nil
}
