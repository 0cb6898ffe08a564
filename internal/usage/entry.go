package usage

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"math/bits"
)

// entryVersion is the only form of an entry there is. Whoever adds a field raises it: a program that does not know the
// field would lose it when it writes the entry back, so it must not touch it.
const entryVersion = 1

// entry is the account of a run as it is stored.
type entry struct {
	Version int              `json:"v"`
	Money   string           `json:"money,omitempty"` // unit of the micros, once some were booked
	Cap     *Cap             `json:"cap,omitempty"`   // of the run; nil until a budget came
	Models  map[string]spend `json:"models,omitempty"`
	Writers map[string]open  `json:"writers,omitempty"`
	Alerts  []Alert          `json:"alerts,omitempty"`
}

// spend is the cap of a model and what was settled on it.
type spend struct {
	Cap *Cap `json:"cap,omitempty"`
	Use Use  `json:"use"`
}

// open is what a writer holds. N numbers its changes: a writer that does not hear what became of a change finds out by it.
type open struct {
	N      uint64            `json:"n"`
	Slices map[string]Amount `json:"slices,omitempty"` // by model; what is used up is not there
}

func newEntry() *entry {
	return &entry{Version: entryVersion, Models: map[string]spend{}, Writers: map[string]open{}}
}

// decodeEntry reads a stored entry strictly: a field that is not known would be lost by writing it back. Errors wrap
// ErrDamaged.
func decodeEntry(data []byte) (*entry, error) {
	e := newEntry()
	e.Version = 0
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(e); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: something follows its end", ErrDamaged)
	}
	if e.Version != entryVersion {
		return nil, fmt.Errorf("%w: version %d is not known", ErrDamaged, e.Version)
	}
	if e.Models == nil || e.Writers == nil {
		return nil, fmt.Errorf("%w: null where its models or writers should be", ErrDamaged)
	}
	return e, e.check()
}

// check refuses sums that do not fit: they would be wrong, and perhaps small.
func (e *entry) check() error {
	full := Amount{math.MaxUint64, math.MaxUint64}
	if taken := e.taken(""); taken.Tokens == full.Tokens || taken.Micros == full.Micros {
		return fmt.Errorf("%w: its sums overflow", ErrDamaged)
	}
	for i, a := range e.Alerts {
		if a.Percent < 1 || a.Percent > 100 || i > 0 && a.Percent <= e.Alerts[i-1].Percent {
			return fmt.Errorf("%w: its alerts are out of order", ErrDamaged)
		}
	}
	return nil
}

func (e *entry) encode() ([]byte, error) {
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("usage: encode: %w", err)
	}
	return data, nil
}

// clone shares nothing with e that is ever changed.
func (e *entry) clone() *entry {
	c := *e
	c.Models = maps.Clone(e.Models)
	c.Writers = maps.Clone(e.Writers)
	for w, o := range c.Writers {
		o.Slices = maps.Clone(o.Slices)
		c.Writers[w] = o
	}
	c.Alerts = append([]Alert(nil), e.Alerts...)
	return &c
}

// used is what was settled on a model, or on all for "".
func (e *entry) used(model string) (sum Amount) {
	for m, s := range e.Models {
		if model == "" || m == model {
			sum = sum.plus(s.Use.Amount())
		}
	}
	return sum
}

// held is the slices of a model, or of all for "", that count says yes to.
func (e *entry) held(model string, count func(writer string, o open) bool) (sum Amount) {
	for w, o := range e.Writers {
		if !count(w, o) {
			continue
		}
		for m, a := range o.Slices {
			if model == "" || m == model {
				sum = sum.plus(a)
			}
		}
	}
	return sum
}

// taken is what cannot be given to anybody any more: what was settled and all slices.
func (e *entry) taken(model string) Amount {
	return e.used(model).plus(e.held(model, func(string, open) bool { return true }))
}

// room is what may still be taken for a model: no more than its cap and the run's leave.
func (e *entry) room(model string) Amount {
	return e.Cap.room(e.taken("")).min(e.Models[model].Cap.room(e.taken(model)))
}

// room is what a cap leaves of what was taken. No cap leaves everything.
func (c *Cap) room(taken Amount) Amount {
	all := Amount{math.MaxUint64, math.MaxUint64}
	if c == nil {
		return all
	}
	if c.Tokens > 0 {
		all.Tokens = sub(c.Tokens, taken.Tokens)
	}
	if c.Micros > 0 {
		all.Micros = sub(c.Micros, taken.Micros)
	}
	return all
}

// share is the largest part of any cap that was settled, as a fraction of two whole numbers.
func (e *entry) share() fraction {
	most := e.Cap.share(e.used(""))
	for m, s := range e.Models {
		if f := s.Cap.share(e.used(m)); most.less(f) {
			most = f
		}
	}
	return most
}

func (c *Cap) share(used Amount) fraction {
	most := fraction{0, 1}
	if c == nil {
		return most
	}
	for _, f := range []fraction{{used.Tokens, c.Tokens}, {used.Micros, c.Micros}} {
		if f.of > 0 && most.less(f) {
			most = f
		}
	}
	return most
}

// fraction is part/of, exactly; of is not 0.
type fraction struct{ part, of uint64 }

func (f fraction) less(g fraction) bool {
	high, low := bits.Mul64(f.part, g.of)
	high2, low2 := bits.Mul64(g.part, f.of)
	return high < high2 || high == high2 && low < low2
}

// reaches reports whether f is at least that many hundredths.
func (f fraction) reaches(percent int) bool {
	return !f.less(fraction{uint64(percent), 100}) //nolint:gosec // 1 to 100
}
