// Package template compiles the texts agents are sent. The language is that of text/template, with a fixed set of names
// and functions that are checked when compiling, so a misspelt name is an error with a position and not an empty prompt.
//
// Names: .vars.X .world.X .previous.world.X .round .rounds .size are the same for all agents; .persona.X .self.number
// .self.block .self.last.Q .answers.Q are an agent's own. A name with spaces is written index .persona "high school".
//
// A text passes through three stages. Compile checks it and plans it once per scenario. Bind renders, once per round,
// all that does not depend on an agent, and leaves segments: constant bytes, look-ups of one value, and choices between
// them. Append writes the segments for one agent without allocating. Only what a segment cannot say (range, with, calls
// and variables over an agent's own values) is executed by text/template for each agent, at some microseconds apiece.
//
// The package is pure. It imports the standard library and internal/expression (for Scope, Vars and CompileError).
package template
