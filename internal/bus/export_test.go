package bus

// SyncsAlways reports whether the running server syncs every write.
func SyncsAlways(s *Server) bool { return s.ns.JetStreamConfig().SyncAlways }

// LoopbackHost is loopbackHost.
func LoopbackHost(host string) bool { return loopbackHost(host) }
