// Package verify reads the whole log of a run again and says whether it is intact: every record's checksum and header, their
// order, the digest and the chain of every closed round, the result hash, the population, and that nothing is missing that
// the server believes to have.
//
// It may import internal/runlog, internal/damage, internal/population/remote, pkg/subjects and the NATS client; never a
// service.
package verify
