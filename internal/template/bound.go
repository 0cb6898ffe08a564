package template

import (
	"fmt"
	texttemplate "text/template"
)

// Bound is a template for one round: all that agents share is rendered. It is immutable and safe for concurrent use.
type Bound struct {
	refs   []ref
	shared *Shared
	segs   []segment
}

// segment is what is left of a piece: bytes, an own value, a choice by an own value, or a unit run for each agent.
type segment struct {
	text        []byte
	own         *ref
	branch      bool
	then, other []segment
	unit        *texttemplate.Template
}

// Bind renders what does not depend on an agent. Errors are ErrNoValue, ErrArgument or ErrTooLong, or what
// text/template says of a value a function cannot use; they name what is wrong.
func (t *Template) Bind(s Shared) (*Bound, error) {
	b := &Bound{refs: t.refs, shared: &s}
	f := &frame{refs: t.refs, shared: &s}
	segs, err := bind(nil, t.plan, f, new(int))
	if err != nil {
		return nil, err
	}
	b.segs = segs
	return b, nil
}

// bind appends the segments of a plan; neighbouring bytes become one segment. size counts the bytes rendered.
func bind(out []segment, plan []piece, f *frame, size *int) ([]segment, error) {
	var err error
	for i := range plan {
		p := &plan[i]
		switch {
		case p.branch && p.own != nil:
			s := segment{own: p.own, branch: true}
			if s.then, err = bind(nil, p.then, f, size); err == nil {
				s.other, err = bind(nil, p.other, f, size)
			}
			out = append(out, s)
		case p.branch:
			var yes []byte
			if yes, err = execute(nil, p.unit, f); err != nil {
				break
			}
			side := p.other
			if len(yes) > 0 {
				side = p.then
			}
			out, err = bind(out, side, f, size)
		case p.own != nil:
			out = append(out, segment{own: p.own})
		case p.perAgent:
			out = append(out, segment{unit: p.unit})
		default:
			text := p.text
			if p.unit != nil {
				text, err = execute(nil, p.unit, f)
			}
			if *size += len(text); *size > maxOutput {
				err = errOutput
			}
			if last := len(out) - 1; last >= 0 && out[last].text != nil {
				out[last].text = append(out[last].text, text...)
			} else if len(text) > 0 {
				out = append(out, segment{text: append([]byte{}, text...)})
			}
		}
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// PerAgent reports whether agents may get different texts; if not, Append needs no agent and may be given nil.
func (b *Bound) PerAgent() bool {
	for i := range b.segs {
		if b.segs[i].text == nil {
			return true
		}
	}
	return false
}

// Append appends the text for one agent to dst. On an error, with the meaning it has in Bind, dst is returned as it was.
func (b *Bound) Append(dst []byte, a Agent) ([]byte, error) {
	out, err := b.append(dst, b.segs, a, len(dst)+maxOutput)
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (b *Bound) append(dst []byte, segs []segment, a Agent, limit int) ([]byte, error) {
	var err error
	for i := range segs {
		s := &segs[i]
		switch {
		case s.text != nil:
			dst = append(dst, s.text...)
		case s.branch:
			side := s.other
			if truth(dst, a, s.own) {
				side = s.then
			}
			dst, err = b.append(dst, side, a, limit)
		case s.own != nil:
			dst = appendOwn(dst, a, s.own)
		default:
			dst, err = execute(dst, s.unit, &frame{refs: b.refs, shared: b.shared, agent: a})
		}
		if err == nil && len(dst) > limit {
			err = errOutput
		}
		if err != nil {
			return dst, err
		}
	}
	return dst, nil
}

// execute appends what a unit writes.
func execute(dst []byte, unit *texttemplate.Template, f *frame) ([]byte, error) {
	w := &writer{buf: dst, limit: len(dst) + maxOutput}
	if err := unit.Execute(w, f); err != nil {
		return dst, clean(err)
	}
	return w.buf, nil
}

var errOutput = fmt.Errorf("more than %d bytes: %w", maxOutput, ErrTooLong)

// writer collects what text/template writes, up to a limit.
type writer struct {
	buf   []byte
	limit int
}

func (w *writer) Write(p []byte) (int, error) {
	if len(w.buf)+len(p) > w.limit {
		return 0, errOutput
	}
	w.buf = append(w.buf, p...)
	return len(p), nil
}
