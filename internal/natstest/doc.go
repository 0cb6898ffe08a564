// Package natstest gives a test the embedded NATS server that production uses:
// JetStream on disk, synced before every acknowledgement, all streams and
// buckets provisioned. A test can take the server away and bring it back.
//
// It is for tests only. It may import internal/bus.
package natstest
