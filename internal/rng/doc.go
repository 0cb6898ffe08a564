// Package rng draws random numbers that depend on what they are for and on nothing else.
//
// There is no state and no sequence: a draw is a function of a key (seed and purpose) and a counter (agent, round,
// logical attempt, number of the draw). The same draw gives the same number on any host, in any order, in any number of
// threads, after any number of restarts. Two different draws are independent. A draw costs a few nanoseconds and
// allocates nothing.
//
// The generator is Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", 2011).
//
// The package is pure: it imports the standard library only, and every function is safe for concurrent use. It is not
// for secrets.
package rng
