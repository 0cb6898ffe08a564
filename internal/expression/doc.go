// Package expression compiles and runs the expressions of a scenario: world updates, stop rules, answer bounds, tau and
// the answers of rule players.
//
// The language is expr-lang/expr, cut down to what a simulation needs: numbers, text, truth values, the names a place
// may see (see Use) and a fixed set of functions. Aggregates such as mean(answers.guess) are computed by the column
// itself, never by walking answers in the expression, so an expression costs the same for ten agents and ten million.
// All arithmetic is in float64. An expression has no loops, no clock and no I/O, and its size is bounded, so it always
// ends, and equal inputs give equal results.
//
// The package is pure. It imports the standard library and expr-lang/expr only.
package expression
