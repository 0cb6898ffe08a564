// Package population draws the agents of a scenario: which category of every distribution each agent has, and, with the
// generator "template", a name and a background in prose.
//
// Counts are exact. A category with proportion p among n agents gets p*n of them; where that is not a whole number, the
// largest remainders are rounded up, and the first category wins a tie. Which agents get which category is a keyed
// random order for each distribution, so distributions are independent of each other and of the order they are listed
// in, and what an agent gets is a function of the spec and its number alone.
//
// A population is stored column by column, one or two bytes for an agent and a distribution. Names and backgrounds are
// not stored at all: they are written when they are read, from the drawn categories and randomness keyed by the agent.
// The encoded form is content-addressed by Spec.Hash and laid out as
//
//	"MYRP", version (2 bytes), CRC-32C of the rest (4 bytes)
//	size (uvarint), seed (8 bytes), generator (string), number of distributions (uvarint)
//	for each: name (string), number of categories (uvarint), then name (string) and proportion (float64) of each
//	for each: the column, one byte an agent with up to 256 categories, else two
//
// with little-endian numbers and strings led by their length (uvarint).
//
// The package is pure. It may import pkg/scenario, internal/rng and its own subpackage persona; subpackage remote talks
// to the service that draws.
package population
