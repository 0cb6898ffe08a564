package population

import (
	"slices"

	"github.com/myriad-sim/myriad/internal/population/persona"
)

// Population is a drawn population. It is immutable and safe for concurrent use. Agents are numbered from 0.
type Population struct {
	spec    Spec
	columns []column
	names   []string        // of the distributions; few, so that looking through them is quicker than hashing a name
	writer  *persona.Writer // nil: no names and backgrounds
}

// newPopulation is a population of a normal, valid spec in which every agent still has the first category.
func newPopulation(s Spec) *Population {
	p := &Population{spec: s}
	aspects := make([]persona.Aspect, len(s.Distributions))
	for i, d := range s.Distributions {
		p.columns = append(p.columns, newColumn(len(d.Categories), s.Size))
		p.names = append(p.names, d.Name)
		aspects[i] = persona.Aspect{Name: d.Name, Categories: d.Categories}
	}
	if s.Generator == GeneratorTemplate {
		p.writer = persona.NewWriter(s.Seed, aspects, p)
	}
	return p
}

// Spec is a copy of what the population was drawn from.
func (p *Population) Spec() Spec { return p.spec.normal() }

// Size is the number of agents.
func (p *Population) Size() int { return p.spec.Size }

// Names lists the attributes an agent has: the distributions in the order of the spec, then AttrName and AttrBackground
// where the generator writes them.
func (p *Population) Names() []string {
	var names []string
	for _, d := range p.spec.Distributions {
		names = append(names, d.Name)
	}
	if p.writer != nil {
		names = append(names, AttrName, AttrBackground)
	}
	return names
}

// Category is the index of the agent's category in a distribution, counted as in the spec; -1 where there is no such
// agent or distribution.
func (p *Population) Category(agent, dist int) int {
	if agent < 0 || agent >= p.spec.Size || dist < 0 || dist >= len(p.columns) {
		return -1
	}
	return p.columns[dist].at(agent)
}

// Attr is the name of the agent's category in a distribution; "" where there is no such agent or distribution.
func (p *Population) Attr(agent, dist int) string {
	c := p.Category(agent, dist)
	if c < 0 {
		return ""
	}
	return p.spec.Distributions[dist].Categories[c]
}

// Lookup is the agent's attribute of that name, false if it has none. It allocates for AttrName and AttrBackground
// only.
func (p *Population) Lookup(agent int, name string) (string, bool) {
	if dist := slices.Index(p.names, name); dist >= 0 {
		text := p.Attr(agent, dist)
		return text, text != ""
	}
	text, ok := p.AppendLookup(nil, agent, name)
	return string(text), ok
}

// AppendLookup appends the agent's attribute of that name to dst; false, and dst as it was, if it has none.
func (p *Population) AppendLookup(dst []byte, agent int, name string) ([]byte, bool) {
	if agent < 0 || agent >= p.spec.Size {
		return dst, false
	}
	if dist := slices.Index(p.names, name); dist >= 0 {
		return append(dst, p.Attr(agent, dist)...), true
	}
	if p.writer == nil {
		return dst, false
	}
	switch name {
	case AttrName:
		return p.writer.AppendName(dst, agent), true
	case AttrBackground:
		return p.writer.AppendBackground(dst, agent), true
	}
	return dst, false
}

// Attributes holds all attributes of an agent but the background, which is long and has Lookup. The map is the
// caller's; it is empty where there is no such agent.
func (p *Population) Attributes(agent int) map[string]string {
	out := make(map[string]string, len(p.names)+1)
	for _, name := range p.names {
		if text, ok := p.Lookup(agent, name); ok {
			out[name] = text
		}
	}
	if name, ok := p.Lookup(agent, AttrName); ok {
		out[AttrName] = name
	}
	return out
}
