package population

import "github.com/myriad-sim/myriad/pkg/scenario"

// FromScenario is the population that a scenario asks for.
func FromScenario(s *scenario.Scenario) Spec {
	spec := Spec{Size: s.Population.Size, Seed: s.Seed, Generator: s.Population.Generator}
	for _, d := range s.Population.Distributions {
		dist := Dist{Name: d.Name}
		for _, c := range d.Categories {
			dist.Categories = append(dist.Categories, c.Name)
			dist.Proportions = append(dist.Proportions, c.Proportion)
		}
		spec.Distributions = append(spec.Distributions, dist)
	}
	return spec
}
