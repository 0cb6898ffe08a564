// Package formula compiles and runs the expressions of environments: what declared functions compute, what listeners wait
// for and say, and what a query asks.
//
// The language is expr-lang/expr on values as they travel in messages. An expression sees state (of its environment), args,
// caller, now (in Unix milliseconds), env (the environment's name), parent (its parent's state) and children (a list of
// {name, state}, by name); nothing it can do has an effect, reads a clock or depends on the order of a map. What it costs is
// bounded: every element that is walked over and every byte of text that is made counts, and beyond the bound it ends with
// an error.
//
// The package is pure: it may import pkg/environment/value and expr-lang/expr.
package formula
