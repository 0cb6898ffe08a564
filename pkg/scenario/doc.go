// Package scenario reads the scenario file: the YAML (or JSON, which is YAML too) that says who the agents are, what
// they are asked each round, how answers combine into the state of a world, and which models speak for them.
//
// Load is the only way in. It is strict: an unknown key, a wrong type, a proportion that does not add up, a template or
// an expression that does not compile is an error with file, line and column, and all problems are reported at once.
// What the grammar has but this build cannot do yet is refused by name, never ignored.
//
// The shape of the file is declared once, by the tagged structs in document*.go. The decoder, the overrides and the
// JSON Schema (Schema) all read those declarations.
//
// The package does no I/O and depends only on the YAML reader, the JSON Schema compiler, the rooms for expressions and
// templates, and the pure packages pkg/environment/formula, pkg/msg and pkg/subjects.
package scenario
