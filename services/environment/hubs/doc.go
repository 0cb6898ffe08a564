// Package hubs serves the verbs of hubs: groups in which everyone hears, in one order, what each participant says.
//
// A hub is its subject in the stream of hubs: who takes part, and what was said, is the fold of the records there. A
// [Server] keeps nothing that it could not read again, so any number of them share the work: each appends under the
// condition that it has seen the last record, and who comes second reads on and thinks again. What waits for a hub while a
// record is being written goes to the stream together, in order of arrival, and is answered when it is on disk. What a server reads
// of a hub that it has not in memory is its newest checkpoint and the records after that, however much was said.
//
// Agents on hosts that can read the stream are left to their hosts, which are told once (verb hear). To all others the
// records are carried as observe requests. One server at a time does that, under a lease: a participant recognises a
// repeated request only while it remembers the id, and two servers far apart would outlast any memory. How far each
// participant has heard is in the bucket of environments, so the next server goes on where the last one stopped.
//
// It may import pkg/msg, pkg/subjects, internal/bus, internal/checkpoint, internal/promise, internal/runlog, internal/wire and the NATS client.
package hubs
