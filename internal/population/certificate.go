package population

import (
	"encoding/binary"
	"hash/maphash"
	"math"
)

// maxChecked bounds how many agents are compared with each other.
const maxChecked = 100_000

// Certificate says how close a population is to what was asked for.
type Certificate struct {
	Size    int      `json:"size"` // agents
	Margins []Margin `json:"margins"`
	// Checked is how many agents were compared to find equal personas: all, or the first 100,000 of a larger
	// population. Their numbers are dealt at random, so they are a fair sample.
	Checked int `json:"checked"`
	// Distinct is the number of different personas among the checked: backgrounds where they are written, else
	// combinations of attributes.
	Distinct   int `json:"distinct"`
	Duplicates int `json:"duplicates"` // Checked minus Distinct
}

// Margin compares one distribution as drawn with its proportions.
type Margin struct {
	Name       string `json:"name"`
	Categories int    `json:"categories"`
	// TotalVariation is half the sum of the absolute differences between drawn and asked shares: 0 is exact, 1 is
	// disjoint. Whole agents cannot always match a share, so it can be up to Categories/(2*Size) at best.
	TotalVariation float64 `json:"total_variation"`
}

// Certificate measures the population. It reads every drawn category and writes the backgrounds of the checked agents.
func (p *Population) Certificate() Certificate {
	c := Certificate{Size: p.spec.Size, Margins: []Margin{}, Checked: min(p.spec.Size, maxChecked)}
	for i, d := range p.spec.Distributions {
		off := 0.0
		for j, n := range p.columns[i].tally(len(d.Categories)) {
			off += math.Abs(float64(n)/float64(p.spec.Size) - d.Proportions[j])
		}
		c.Margins = append(c.Margins, Margin{Name: d.Name, Categories: len(d.Categories), TotalVariation: off / 2})
	}
	c.Distinct = p.distinct(c.Checked)
	c.Duplicates = c.Checked - c.Distinct
	return c
}

// distinct counts the different personas among the first n agents. It compares 64-bit hashes: that two different
// personas of 100,000 are taken for equal has a chance of one in three billion.
func (p *Population) distinct(n int) int {
	seed := maphash.MakeSeed()
	var text []byte
	seen := make(map[uint64]struct{}, n)
	for agent := range n {
		text = p.appendPersona(text[:0], agent)
		seen[maphash.Bytes(seed, text)] = struct{}{}
	}
	return len(seen)
}

// appendPersona appends what tells personas apart.
func (p *Population) appendPersona(dst []byte, agent int) []byte {
	if p.writer != nil {
		return p.writer.AppendBackground(dst, agent)
	}
	for i := range p.columns {
		dst = binary.LittleEndian.AppendUint16(dst, uint16(p.columns[i].at(agent))) //nolint:gosec // categories fit
	}
	return dst
}
