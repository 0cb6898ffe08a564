// Package runlog is the run log: the durable record of a run, and the one definition of what in it counts.
//
// A run is a sequence of records in the stream subjects.StreamLog. Control records say what was decided (created,
// leased, opened, closed, …) and are appended by compare-and-set, so that of two writers one loses and folds again.
// Answer records hold the answers of up to MaxChunk agents of one shard, column by column. Fold reads records in stream
// order and decides which answers are accepted; every room that needs to know uses it, so there is no second opinion.
//
// It may import pkg/subjects, pkg/scenario, internal/expression, internal/stats, the NATS client and the codec; never a service.
package runlog
