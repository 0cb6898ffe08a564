// Package bus is the one road every service travels: it starts the embedded
// NATS server, opens connections to it or to a remote one, and provisions the
// streams and buckets that all services share.
//
// It knows how messages are carried and stored, never what they mean. It may
// import pkg/subjects, internal/damage and the NATS libraries, and nothing else of this
// repository.
package bus
