package population

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"slices"
	"unicode/utf8"
)

// Generators of backgrounds.
const (
	GeneratorNone     = "none"     // attributes only
	GeneratorTemplate = "template" // a name and a background in prose as well
)

// Attributes that the generator "template" writes; no distribution may be called so.
const (
	AttrName       = "name"
	AttrBackground = "background"
)

// Limits of a spec.
const (
	MaxSize          = 100_000_000 // agents
	MaxDistributions = 256
	MaxCategories    = math.MaxUint16 // of one distribution
	MaxNameBytes     = 256            // the name of a distribution
	MaxTextBytes     = 256 << 10      // all names of distributions and categories together
	MaxColumnBytes   = 2 << 30        // all columns together
)

// sumTolerance is how far from 1 the proportions of a distribution may sum, beside the rounding of the sum itself.
const sumTolerance = 1e-9 + 1e-12

// Spec says what to draw. Two equal specs give equal populations, on any machine.
type Spec struct {
	Size          int    `json:"size"` // number of agents, at least 1
	Seed          uint64 `json:"seed"`
	Generator     string `json:"generator"` // GeneratorNone, also meant by "", or GeneratorTemplate
	Distributions []Dist `json:"distributions"`
}

// Dist is one aspect of the population. Proportions[i] is the share of Categories[i]; they sum to 1.
type Dist struct {
	Name        string    `json:"name"`
	Categories  []string  `json:"categories"`
	Proportions []float64 `json:"proportions"`
}

// Validate reports why the spec cannot be drawn: ErrSpec.
func (s Spec) Validate() error {
	if s.Size < 1 || s.Size > MaxSize {
		return fmt.Errorf("%w: size is %d, want 1 to %d", ErrSpec, s.Size, MaxSize)
	}
	switch s.Generator {
	case "", GeneratorNone, GeneratorTemplate:
	default:
		return fmt.Errorf("%w: generator %.40q is unknown, want %q or %q", ErrSpec, s.Generator, GeneratorNone, GeneratorTemplate)
	}
	if len(s.Distributions) > MaxDistributions {
		return fmt.Errorf("%w: %d distributions, at most %d", ErrSpec, len(s.Distributions), MaxDistributions)
	}
	names := make(map[string]bool, len(s.Distributions))
	var text, columns int64
	for i, d := range s.Distributions {
		if err := d.validate(); err != nil {
			return fmt.Errorf("%w: distribution %d (%.40q): %w", ErrSpec, i+1, d.Name, err)
		}
		if names[d.Name] {
			return fmt.Errorf("%w: two distributions are called %.40q", ErrSpec, d.Name)
		}
		names[d.Name] = true
		text += int64(len(d.Name))
		for _, c := range d.Categories {
			text += int64(len(c))
		}
		columns += int64(s.Size) * int64(width(len(d.Categories)))
	}
	if text > MaxTextBytes {
		return fmt.Errorf("%w: names of distributions and categories take %d bytes, at most %d", ErrSpec, text, MaxTextBytes)
	}
	if columns > MaxColumnBytes {
		return fmt.Errorf("%w: %d agents with %d distributions take %d bytes, at most %d",
			ErrSpec, s.Size, len(s.Distributions), columns, int64(MaxColumnBytes))
	}
	return nil
}

func (d Dist) validate() error {
	switch {
	case d.Name == AttrName || d.Name == AttrBackground:
		return fmt.Errorf("the name is reserved for what is written about a persona")
	case len(d.Categories) == 0:
		return fmt.Errorf("there are no categories")
	case len(d.Categories) > MaxCategories:
		return fmt.Errorf("%d categories, at most %d", len(d.Categories), MaxCategories)
	case len(d.Categories) != len(d.Proportions):
		return fmt.Errorf("%d categories but %d proportions", len(d.Categories), len(d.Proportions))
	}
	if err := checkText(d.Name); err != nil {
		return err
	}
	if len(d.Name) > MaxNameBytes {
		return fmt.Errorf("the name takes %d bytes, at most %d", len(d.Name), MaxNameBytes)
	}
	seen := make(map[string]bool, len(d.Categories))
	sum := 0.0
	for i, c := range d.Categories {
		if err := checkText(c); err != nil {
			return fmt.Errorf("category %d: %w", i+1, err)
		}
		if seen[c] {
			return fmt.Errorf("two categories are called %.40q", c)
		}
		seen[c] = true
		// Written so that NaN fails too.
		if p := d.Proportions[i]; !(p >= 0 && p <= 1+sumTolerance) {
			return fmt.Errorf("the proportion of %.40q is %v, want 0 to 1", c, p)
		}
		sum += d.Proportions[i]
	}
	if math.Abs(sum-1) > sumTolerance {
		return fmt.Errorf("the proportions sum to %.12g, not to 1", sum)
	}
	return nil
}

func checkText(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("the name is empty")
	case !utf8.ValidString(s):
		return fmt.Errorf("the name %.40q is not UTF-8", s)
	}
	return nil
}

// normal is a copy with one spelling for what can be spelled in two ways.
func (s Spec) normal() Spec {
	if s.Generator == "" {
		s.Generator = GeneratorNone
	}
	s.Distributions = slices.Clone(s.Distributions)
	for i, d := range s.Distributions {
		d.Categories = slices.Clone(d.Categories)
		d.Proportions = slices.Clone(d.Proportions)
		for j := range d.Proportions {
			d.Proportions[j] += 0 // turns -0 into 0
		}
		s.Distributions[i] = d
	}
	return s
}

// Hash is the content address of the population that the spec describes: 64 hexadecimal digits. It covers the version
// of this package's draws and texts as well.
func (s Spec) Hash() string {
	sum := sha256.Sum256(appendSpec([]byte("myriad/population\x00"), s.normal()))
	return hex.EncodeToString(sum[:])
}
