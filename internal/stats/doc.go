// Package stats computes what is reported about the answers to one question of
// one round: counts by status, exact means, spread, quantiles, mode, histogram
// and winners.
//
// Answers are kept as canonical integers (value times ten to the power of the
// question's decimals) and all sums are integer sums, so every figure is the
// same for any order of arrival, any number of threads and any processor. NaN
// and infinities cannot enter: Canonical refuses them.
//
// The package is pure. It may import the standard library only.
package stats
