// Package wire is how agents, hosts, hubs and environments ask each other on subjects: a request holds messages and a few
// headers, a reply one message or an error. Errors keep their identity on the way: what is [ErrExpired] here was
// ErrExpired there.
//
// A request goes out with a deadline, the chain of agents that wait for it, and a request id where a repeated one must
// not be done twice. What the handling of a request needs on its way through code of users travels in its context
// ([WithChain], [WithPause]).
//
// It may import pkg/msg, pkg/subjects and the NATS client.
package wire
