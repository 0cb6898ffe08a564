// Package engine serves environments: it answers the calls of their functions.
//
// A tree of environments is an actor. Its calls are evaluated in the order in which they came, ahead of the log; what all
// those did that came while a record was being written is the next record, appended with compare-and-set; and a call is
// answered once its record is on disk. A group of calls that only read is checked against the end of the log instead. Any
// number of engines serve the same trees in one queue group: where another one has written first, what it wrote is read, and
// the calls that wait are evaluated again on that.
//
// Messages that functions and listeners send are part of the record, are sent once it is on disk until the receiver has
// them, and are marked as delivered in a later record; what is not marked when a program dies another one sends again, with
// the same request id, and receivers drop repeats.
//
// It may import its package tree, pkg/*, internal/runlog, internal/promise, internal/wire and the NATS client.
package engine
