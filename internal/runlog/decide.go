package runlog

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func (f *Fold) applyControl(h Header, body []byte, e Entry) error {
	first := f.Phase == PhaseNone || h.Run != f.of // of its run
	if f.Phase.Over() || first != (h.Kind == subjects.KindCreated) {
		return fmt.Errorf("%w: %s in a run that is %s", ErrOrder, h.Kind, f.Status())
	}
	switch h.Kind {
	case subjects.KindCreated:
		return f.created(h, body, e)
	case subjects.KindPopulated:
		return f.populated(body)
	case subjects.KindLease:
		return f.lease(h, body, e)
	case subjects.KindOpened:
		return f.opened(h, body, e)
	case subjects.KindClosed:
		return f.closed(h, body, e)
	case subjects.KindEnvState:
		return f.envState(h, body, e)
	case subjects.KindFault:
		return f.faultNote(body, e)
	}
	return f.turn(h, body, e)
}

func (f *Fold) created(h Header, body []byte, e Entry) error {
	var b Created
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	s, err := scenario.Load(b.File, b.Source, b.Overrides)
	if err != nil {
		return fmt.Errorf("%w: the recorded scenario no longer loads: %w", ErrDamaged, err)
	}
	if b.Agents != s.Population.Size {
		return fmt.Errorf("%w: created for %d agents, the scenario has %d", ErrDamaged, b.Agents, s.Population.Size)
	}
	if err := b.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	switch inherits := b.Fork != nil && b.Fork.Round > 0; {
	case inherits:
		if err := f.branch(b, s, e); err != nil {
			return err
		}
	case f.Phase != PhaseNone:
		return fmt.Errorf("%w: run %s is no fork of run %s", ErrOrder, h.Run, f.of)
	default:
		f.Phase, f.World, f.Previous = PhaseCreated, map[string]float64{}, map[string]float64{}
		f.begin(b, s, e)
	}
	f.of = h.Run
	return nil
}

// begin begins a run.
func (f *Fold) begin(b Created, s *scenario.Scenario, e Entry) {
	f.Created, f.CreatedAt, f.Scenario = b, e.Time, s
	f.Grants = make([]Grant, f.Shards())
	if f.Caps = capsOf(s.Budget); f.Caps != nil {
		f.CapsSeq = e.Seq
	}
}

func (f *Fold) populated(body []byte) error {
	var b Populated
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	if f.Phase != PhaseCreated {
		return fmt.Errorf("%w: populated twice", ErrOrder)
	}
	if b.Population == "" {
		return fmt.Errorf("%w: populated with nothing", ErrDamaged)
	}
	f.Population, f.Phase = b.Population, PhaseReady
	return nil
}

func (f *Fold) lease(h Header, body []byte, e Entry) error {
	var b Lease
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	if f.Phase == PhaseCreated || h.Epoch != f.Epoch+1 {
		return fmt.Errorf("%w: lease with epoch %d after %d in a run that is %s", ErrOrder, h.Epoch, f.Epoch, f.Status())
	}
	next := 0 // ascending, so that a record costs no more than the run has shards
	for _, r := range b.Ranges {
		if r.First < next || r.End > len(f.Grants) || r.First >= r.End {
			return fmt.Errorf("%w: lease of shards %d..%d after %d of %d", ErrDamaged, r.First, r.End, next, len(f.Grants))
		}
		next = r.End
	}
	f.Grants = slices.Clone(f.Grants) // a clone of the fold may have those before
	for _, r := range b.Ranges {
		for shard := r.First; shard < r.End; shard++ {
			if before := f.Grants[shard]; f.Round > f.Inherited() && before.Incarnation != b.Incarnation {
				f.moved(before, b.Why, e)
			}
			f.Grants[shard] = Grant{Host: b.Host, Incarnation: b.Incarnation, Epoch: h.Epoch}
		}
	}
	f.Epoch = h.Epoch
	return nil
}

// moved notes that a shard has changed its host. One host that is gone is one fault, however many shards it had.
func (f *Fold) moved(from Grant, why string, e Entry) {
	if why != LeaseLost {
		f.Moves++
		return
	}
	f.Takeovers++
	if f.gone == nil {
		f.gone = map[string]bool{}
	}
	if !f.gone[from.Incarnation] {
		f.gone[from.Incarnation] = true
		f.LostHosts++
		f.note(Fault{At: e.Time, Who: "agenthost " + from.Host, What: "lost; its shards were given to others"})
	}
}

// faultNote takes in what a service saw.
func (f *Fold) faultNote(body []byte, e Entry) error {
	var b FaultNote
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	at := b.At
	if at.IsZero() {
		at = e.Time
	}
	f.FaultCount++
	f.note(Fault{At: at, Until: b.Until, Who: b.Who, What: b.What})
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
	if !finite(b.World) || !finite(b.Previous) || !finite(b.Means) {
		return fmt.Errorf("%w: round %d opened in a world that is not finite", ErrDamaged, h.Round)
	}
	f.Phase, f.Round, f.Opened, f.OpenedAt = PhaseOpen, h.Round, b, e.Time
	f.totals, f.figures = Closed{}, nil
	f.left = f.Created.Agents * len(f.Scenario.Turn)
	f.skims = e.Seq <= f.since
	if f.answers && !f.skims {
		f.progress.open(&f.State)
		f.room()
	}
	return nil
}

// room makes room for the answers of the round that was just opened.
func (f *Fold) room() {
	n := f.Created.Agents
	if f.columns == nil {
		for _, q := range f.Scenario.Turn {
			f.columns = append(f.columns, &stats.Column{Decimals: q.Answer.Decimals, Status: make([]stats.Status, n), Values: make([]int64, n)})
		}
		if f.whole() && !f.trusts {
			f.digest = newDigest(f.columns, n)
		}
	} else {
		for _, c := range f.columns {
			clear(c.Status)
			clear(c.Values)
		}
	}
	if f.digest != nil {
		f.digest.open(f.Round)
		f.expect()
	}
}

func (f *Fold) closed(h Header, body []byte, e Entry) error {
	var b Closed
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	if f.Phase != PhaseOpen || h.Round != f.Round {
		return fmt.Errorf("%w: round %d closed, round %d is open", ErrOrder, h.Round, f.Round)
	}
	if chain := digestChain(f.Chain, b.Root); !bytes.Equal(chain, b.Chain) {
		return fmt.Errorf("%w: chain of round %d", ErrDigest, h.Round)
	}
	if f.whole() && !f.skims {
		if err := f.verify(b); err != nil {
			return fmt.Errorf("round %d: %w", h.Round, err)
		}
	} else {
		f.believe(b, e)
	}
	f.told.Asked = min(f.told.Asked+b.Asked, f.Asked)
	f.told.Duplicates = min(f.told.Duplicates+b.Duplicates, f.Duplicates)
	f.told.Damaged = min(f.told.Damaged+b.Damaged, f.damaged)
	f.Phase, f.ClosedAt, f.Chain = PhaseClosed, e.Time, b.Chain
	f.Expected += uint64(f.Created.Agents * len(f.Scenario.Turn)) //nolint:gosec // both positive
	f.Accepted += b.Accepted
	f.Rounds = append(f.Rounds, RoundResult{Round: h.Round, Attempt: f.Opened.Attempt, OpenedAt: f.OpenedAt, ClosedAt: e.Time, Closed: b})
	return nil
}

// believe counts what a closed record tells of records that the fold was not given.
func (f *Fold) believe(b Closed, e Entry) {
	f.Asked += b.Asked
	f.Duplicates += b.Duplicates
	f.damaged += b.Damaged
	if b.Damaged > 0 {
		f.FaultCount += int(min(b.Damaged, math.MaxInt32)) //nolint:gosec // limited
		f.note(Fault{At: e.Time, What: fmt.Sprintf("%d damaged records were found in round %d, or before it, and dropped", b.Damaged, f.Round)})
	}
}

// verify compares a closed record with the answers in the log.
func (f *Fold) verify(b Closed) error {
	if f.left > 0 || b.UptoSeq != f.last || b.Accepted != f.totals.Accepted {
		return fmt.Errorf("%w: closed at record %d with %d answers; the log has %d, the last in record %d, and %d are missing",
			ErrDigest, b.UptoSeq, b.Accepted, f.totals.Accepted, f.last, f.left)
	}
	if f.digest == nil {
		return nil
	}
	if root := f.digest.root(); !bytes.Equal(root, b.Root) {
		return fmt.Errorf("%w: the answers have %x, the closed record says %x", ErrDigest, root, b.Root)
	}
	return nil
}

func (f *Fold) envState(h Header, body []byte, e Entry) error {
	var b EnvState
	if err := decodeBody(body, &b); err != nil {
		return err
	}
	if f.Phase != PhaseClosed || h.Round != f.Round {
		return fmt.Errorf("%w: world of round %d, round %d is the last and the run is %s", ErrOrder, h.Round, f.Round, f.Status())
	}
	targets := map[string]float64{}
	for id, w := range b.Winners {
		targets[id] = w.Target
	}
	if !finite(b.World) || !finite(targets) {
		return fmt.Errorf("%w: the world after round %d is not finite", ErrDamaged, h.Round)
	}
	f.Phase = PhaseReady
	f.World, f.Previous = b.World, f.World
	last := &f.Rounds[len(f.Rounds)-1]
	last.Env, last.EnvSeq = &b, e.Seq
	return nil
}

// finite reports whether there is no NaN and no infinity among the values, which could be neither shown nor computed with.
func finite(world map[string]float64) bool {
	for v := range maps.Values(world) {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return false
		}
	}
	return true
}
