// Package runlog is the run log: the durable record of a run, and the one definition of what in it counts.
//
// A run is a sequence of records in the stream subjects.StreamLog. Control records say what was decided (created,
// leased, opened, closed, …) and are appended by compare-and-set, so that of two writers one loses and folds again.
// Answer records hold the answers of up to MaxChunk agents of one shard, column by column. Fold reads records in stream
// order and decides which answers are accepted; every room that needs to know uses it, so there is no second opinion.
//
// A fork is a run whose first rounds are those of another. Nothing is copied: FollowRun and ReadRun deliver the records of
// its parents up to where it begins, then its own, and a Fold makes one state of them. So a run that has forks must not be
// deleted; there is no command yet that deletes runs, and one that is built has to refuse it.
//
// Who comes back to a run reads with ContinueRun: of what is before the last env.state only control records. Who verifies or
// exports reads everything with ReadRun and WithAnswers.
//
// It may import pkg/subjects, pkg/scenario, internal/damage, internal/expression, internal/stats, the NATS client and the codec; never a service.
package runlog
