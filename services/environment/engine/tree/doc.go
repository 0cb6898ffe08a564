// Package tree is a tree of environments in memory: what a call does to it, what of that goes into the log, and how it comes
// back from there.
//
// A [Tree] is evaluated ahead of the log: [Tree.Do] changes it at once, and a change is taken back with [Tree.Undo] where the
// log turns out to go on otherwise, or made final with [Tree.Commit]. A record holds what calls did (written keys, created
// environments, messages to send, outcomes of calls with a request id) and not the calls themselves, so a program that has
// not the code of a kind can still read a tree, and a later version of the code reads what an older one did.
//
// It is pure: no connection, no clock, no goroutine. It may import pkg/environment, pkg/msg, pkg/subjects and internal/wire.
package tree
