// Package stack builds any subset of the five services on one NATS connection: all of them beside an embedded server for
// `myriad run` and `myriad up`, or a single one on a server elsewhere. A service cannot tell which it is.
//
// It is the only package that imports services. Only cmd, pkg/host and test import it.
package stack
