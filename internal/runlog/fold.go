package runlog

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Entry is one record as the stream delivers it.
type Entry struct {
	Subject string
	Seq     uint64
	Time    time.Time
	Data    []byte
}

// Fold turns the records of one run, applied in stream order, into its state. It is not safe for concurrent use. Those of a
// fork come after the ones of its parent that it has inherited; FollowRun and ContinueRun deliver them so.
//
// An answer is accepted if it is the first for its (round, agent, question) since the round was last opened, its round is
// open, and its epoch is that of the latest lease of its shard.
type Fold struct {
	State
	of       string           // the run that the records applied last are of: Run, or one it is a fork of; "" before the first
	columns  []*stats.Column  // of the open or last closed round, by question; nil without WithAnswers
	digest   *digest          // of the same answers; nil without WithAnswers, with WithColumns and with WithShards
	left     int              // answers the open round still needs
	gone     map[string]bool  // incarnations of hosts that shards were taken from; nil before the first
	last     uint64           // record that held the last accepted answer
	totals   Closed           // of the answers accepted in the open round
	told     Closed           // how much of Asked, Duplicates and damaged closed records have told of
	damaged  uint64           // records dropped
	running  []*stats.Running // figures of the open round by question, as far as blocks of agents are through; nil without digest
	figures  []Question       // of the open round once it is complete; nil until Close was called
	chunk    chunk
	progress progress
	// positions of the accepted answers in chunk
	positions []int

	since uint64 // up to here only control records are given
	skims bool   // the round was opened before: its answers are not given, and its closed record is believed

	answers bool
	trusts  bool                 // takes the digests of closed records as they are
	only    func(shard int) bool // nil: all shards
	accept  func(round int, a *Answers, positions []int)
}

// Option changes what a fold keeps.
type Option func(*Fold)

// WithAnswers makes the fold keep the answers of the current round, which Close, Columns and the verification of digests
// need. Such a fold must be given every answer record.
func WithAnswers() Option { return func(f *Fold) { f.answers = true } }

// WithColumns is WithAnswers without digests: the fold keeps and counts the same answers, but hashes no texts, which is most
// of the work, and takes the digest of a closed record as it is. That is enough for who only computes with the answers:
// every record has its checksum, the numbers of answers are compared still, and the digest is computed and compared by the
// coordinators and by all who export the answers. Close is not to be had from such a fold.
func WithColumns() Option { return func(f *Fold) { f.answers, f.trusts = true, true } }

// WithAccept calls fn for each answer record that holds accepted answers, with their positions in it. The answers are
// fn's to keep; positions is valid during the call. It implies WithAnswers.
func WithAccept(fn func(round int, a *Answers, positions []int)) Option {
	return func(f *Fold) { f.answers, f.accept = true, fn }
}

// WithShards makes the fold look at the answers of the shards for which want is true and not verify digests, so that the
// answer records of other shards need not be read. A host that takes over shards recovers them this way. Close and
// Complete are not to be had from such a fold.
func WithShards(want func(shard int) bool) Option { return func(f *Fold) { f.only = want } }

// NewFold returns the fold of a run of which no record was applied yet.
func NewFold(run string, opts ...Option) *Fold {
	f := &Fold{State: State{Run: run}}
	for _, o := range opts {
		o(f)
	}
	return f
}

// Clone returns a fold that stands where f does, with options of its own, and goes on apart from it. It has no answers, so it
// is to be made between two rounds: when a run is ready for the next.
func (f *Fold) Clone(opts ...Option) *Fold {
	out := &Fold{State: f.State, of: f.of, gone: maps.Clone(f.gone), told: f.told, damaged: f.damaged, since: f.Seq}
	out.Past, out.Rounds, out.Faults = slices.Clip(f.Past), slices.Clip(f.Rounds), slices.Clip(f.Faults)
	for _, o := range opts {
		o(out)
	}
	return out
}

// whole reports whether the fold counts every answer of the run.
func (f *Fold) whole() bool { return f.answers && f.only == nil }

// Columns returns the answers of the current round by question, nil without WithAnswers or WithColumns. They stay valid until the next
// round opens.
func (f *Fold) Columns() []*stats.Column { return f.columns }

// Complete reports whether the open round has an answer of every agent to every question.
func (f *Fold) Complete() bool { return f.Phase == PhaseOpen && f.left == 0 }

// Left is the number of answers the open round still needs.
func (f *Fold) Left() int { return f.left }

// Apply applies the next record and returns its header. A record at or before State.Seq was applied before and is
// skipped, with an empty header. Records of messages, code agents and environments change nothing here and are not
// looked into: of their header there is only the kind and the run. An error leaves the state as it was and is final for the run: a control record that is
// damaged or out of order (ErrDamaged, ErrOrder, ErrDigest), or any record of an unknown version (ErrVersion), which
// another binary might count. A damaged or foreign record of another class is counted as a fault and dropped: whoever
// folds the log drops it.
func (f *Fold) Apply(e Entry) (Header, error) {
	if e.Seq <= f.Seq {
		return Header{}, nil
	}
	at, err := subjects.ParseLog(e.Subject)
	if err != nil {
		if kind, control := strings.CutPrefix(e.Subject, strings.TrimSuffix(subjects.LogCtlAll(f.Run), ">")); control {
			return Header{}, fmt.Errorf("%w: record %d is of kind %q, which this binary does not know", ErrVersion, e.Seq, kind)
		}
	}
	if err != nil || !f.follows(at) {
		return Header{}, fmt.Errorf("%w: record %d is on subject %q", ErrDamaged, e.Seq, e.Subject)
	}
	h, err := f.apply(at, e)
	control := at.Class == subjects.ClassControl
	if err != nil {
		err = fmt.Errorf("run %s, record %d: %w", at.Run, e.Seq, err)
		if control || errors.Is(err, ErrVersion) {
			return h, err
		}
		if f.whole() { // others are told by closed records
			f.damaged++
			f.fault(e.Time, err.Error())
		}
	}
	f.Seq = e.Seq
	if control {
		f.CtlSeq = e.Seq
	}
	return h, nil
}

func (f *Fold) apply(at subjects.Log, e Entry) (Header, error) {
	switch at.Class {
	case subjects.ClassMessage, subjects.ClassCode, subjects.ClassEnv:
		return Header{Kind: at.Class, Run: at.Run}, nil // their kinds are named like them
	}
	h, body, err := Decode(e.Data)
	if err != nil {
		return h, err
	}
	want := at.Kind
	if at.Class != subjects.ClassControl {
		want = at.Class // the kinds of the other classes are named like them
	}
	if h.Run != at.Run || h.Kind != want {
		return h, fmt.Errorf("%w: %s record of run %q on subject %q", ErrDamaged, h.Kind, h.Run, e.Subject)
	}
	switch at.Class {
	case subjects.ClassControl:
		return h, f.applyControl(h, body, e)
	case subjects.ClassAnswer:
		return h, f.applyAnswers(h, body, e, at.Shard)
	}
	return h, f.applyAsked(body, at.Shard)
}

// fault keeps note of something that went wrong. Only the first are kept in words: a broken writer may repeat itself.
func (f *Fold) fault(at time.Time, what string) {
	f.FaultCount++
	f.note(Fault{At: at, What: what})
}

func (f *Fold) note(fault Fault) {
	if len(f.Faults) < maxFaults {
		f.Faults = append(f.Faults, fault)
	}
}

const maxFaults = 100
