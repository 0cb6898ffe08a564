package bus

import "github.com/myriad-sim/myriad/pkg/subjects"

// SyncsAlways reports whether the running server syncs every write.
func SyncsAlways(s *Server) bool { return s.ns.JetStreamConfig().SyncAlways }

// LoopbackHost is loopbackHost.
func LoopbackHost(host string) bool { return loopbackHost(host) }

// Marked is how far the log is known to have gone, as written down.
func Marked(s *Server) uint64 {
	m, err := readMarks(s.dir.path)
	if err != nil || m[subjects.StreamLog] == nil {
		return 0
	}
	return m[subjects.StreamLog].Last
}
