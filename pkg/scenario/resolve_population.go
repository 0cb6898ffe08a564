package scenario

import (
	"math/big"
	"slices"
	"strings"
)

// What a persona has besides its aspects when a background is generated.
const (
	personaBackground = "background"
	personaName       = "name"
)

func (r *resolver) population() {
	doc := r.doc.Population
	r.s.Population.Generator = "none"
	if doc == nil {
		return
	}
	p := &r.s.Population
	p.Size = doc.Size.integer(0)
	if doc.Background != nil {
		p.Generator = doc.Background.Generator.v
	}
	for _, d := range doc.Distributions.items {
		if name := r.distributionName(d, p.Distributions); name != "" {
			p.Distributions = append(p.Distributions, Distribution{Name: name, Categories: r.categories(d)})
		}
	}
}

// distributionName gives the checked name of a distribution, "" when it has none.
func (r *resolver) distributionName(d distributionDoc, earlier []Distribution) string {
	at, name := d.at, d.Template.v
	if d.Template.set() {
		at = d.Template.at
	}
	if d.Name.set() {
		at, name = d.Name.at, d.Name.v
	}
	switch {
	case d.at == nil:
		return ""
	case name == "":
		r.at(d.at, "a distribution needs a name, or a template")
		return ""
	case name == personaBackground || name == personaName:
		r.at(at, "%q is a reserved word: every persona with a background has it", name)
	case slices.ContainsFunc(earlier, func(e Distribution) bool { return e.Name == name }):
		r.at(at, "there are two distributions called %q", clipped(name))
	default:
		r.checkName(at, name)
	}
	return name
}

func (r *resolver) categories(d distributionDoc) []Category {
	switch {
	case d.Template.set() && d.Categories.set():
		r.at(d.Categories.at, "a distribution has a template or categories, not both")
		return nil
	case d.Template.set():
		return builtinCategories(d.Template.v)
	case !d.Categories.set():
		r.at(d.at, "a distribution needs categories, or a template")
		return nil
	}
	out := make([]Category, 0, len(d.Categories.items))
	seen := map[string]bool{}
	sum, known := new(big.Rat), true
	for _, c := range d.Categories.items {
		if c.Name.set() && seen[c.Name.v] {
			r.at(c.Name.at, "category %q is here twice", clipped(c.Name.v))
		}
		seen[c.Name.v] = true
		if known = known && c.Proportion.set(); known {
			sum.Add(sum, c.Proportion.v)
		}
		out = append(out, Category{Name: c.Name.v, Proportion: c.Proportion.float()})
	}
	if known && len(out) > 0 && !nearOne(sum) {
		r.at(d.Categories.at, "the proportions must sum to 1; they sum to %s", decimal(sum))
	}
	return out
}

var tolerance = big.NewRat(1, 1_000_000_000)

// nearOne allows for proportions such as 0.333333333 that are meant to sum to 1.
func nearOne(sum *big.Rat) bool {
	off := new(big.Rat).Sub(sum, big.NewRat(1, 1))
	return off.Abs(off).Cmp(tolerance) <= 0
}

// decimal prints a number with as many digits as it needs, at most twelve.
func decimal(v *big.Rat) string {
	s := v.FloatString(12)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}
