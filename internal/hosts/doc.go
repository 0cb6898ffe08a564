// Package hosts is the register of agent hosts: each host puts a beat into the bucket subjects.BucketHosts once a second, and
// an Observer decides from the beats that it hears which hosts live.
//
// A host is dead when an observer that was connected throughout has heard nothing of it for TTL on its own monotonic clock,
// when the host has said goodbye, or when a newer life of the same id has been heard. Nothing else decides: neither the clocks
// of hosts, brokers and observers, nor what the broker does with entries that get old. So those stay in the bucket for long
// after their host has died; whoever wants to know who lives asks a coordinator, which has an Observer.
//
// It may import pkg/subjects and the NATS client.
package hosts
