// Package checkpoint keeps what a part of the run log has led to, so that whoever comes back reads that and only the records
// after it.
//
// A checkpoint belongs to one subject of the log and names the last record it covers, by sequence and by what is in it. It is
// a copy of something that the log says too: it may be missing, half-written, damaged, or of a log that is no more, and then
// it is not used. A [Store] keeps two for each subject, so that while one is written the one before is there.
//
// It may import internal/objects, pkg/subjects and the NATS client.
package checkpoint
