package bus

import (
	"fmt"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// compare checks the settings of an existing stream that data depends on. What
// an operator may change freely (description, placement, more replicas, more
// room when none was asked for) is left alone.
func compare(got, want jetstream.StreamConfig) error {
	slices.Sort(got.Subjects)
	wanted := slices.Sorted(slices.Values(want.Subjects))
	fields := []struct {
		name      string
		ok        bool
		got, want any
	}{
		{"subjects", slices.Equal(got.Subjects, wanted), got.Subjects, wanted},
		{"storage", got.Storage == want.Storage, got.Storage, want.Storage},
		{"retention", got.Retention == want.Retention, got.Retention, want.Retention},
		{"discard", got.Discard == want.Discard, got.Discard, want.Discard},
		{"max_age", got.MaxAge == want.MaxAge, got.MaxAge, want.MaxAge},
		{"max_msgs", limit(got.MaxMsgs) == limit(want.MaxMsgs), got.MaxMsgs, want.MaxMsgs},
		{"max_msgs_per_subject", limit(got.MaxMsgsPerSubject) == limit(want.MaxMsgsPerSubject),
			got.MaxMsgsPerSubject, want.MaxMsgsPerSubject},
		{"max_bytes", want.MaxBytes <= 0 || got.MaxBytes == want.MaxBytes, got.MaxBytes, want.MaxBytes},
		{"max_msg_size", limit(got.MaxMsgSize) == limit(want.MaxMsgSize), got.MaxMsgSize, want.MaxMsgSize},
		{"num_replicas", got.Replicas >= want.Replicas, got.Replicas, want.Replicas},
		{"deny_delete", got.DenyDelete == want.DenyDelete, got.DenyDelete, want.DenyDelete},
		{"deny_purge", got.DenyPurge == want.DenyPurge, got.DenyPurge, want.DenyPurge},
		{"sealed", got.Sealed == want.Sealed, got.Sealed, want.Sealed},
		{"no_ack", got.NoAck == want.NoAck, got.NoAck, want.NoAck},
		{"allow_direct", got.AllowDirect == want.AllowDirect, got.AllowDirect, want.AllowDirect},
		{"allow_atomic", got.AllowAtomicPublish == want.AllowAtomicPublish, got.AllowAtomicPublish, want.AllowAtomicPublish},
		{"persist_mode", got.PersistMode == want.PersistMode, got.PersistMode, want.PersistMode},
		{"subject_delete_marker_ttl", got.SubjectDeleteMarkerTTL == want.SubjectDeleteMarkerTTL,
			got.SubjectDeleteMarkerTTL, want.SubjectDeleteMarkerTTL},
	}
	for _, f := range fields {
		if !f.ok {
			return fmt.Errorf("%w: stream %s: %s is %v, needs %v; change it with the nats CLI, or use another NATS account",
				ErrStreamMismatch, got.Name, f.name, f.got, f.want)
		}
	}
	return nil
}

// upgrade switches on what an existing stream lacks and a server can add to it
// at any time without a change to what the stream holds. It reports whether
// anything was missing.
func upgrade(got, want jetstream.StreamConfig) (upgraded jetstream.StreamConfig, missing bool) {
	missing = want.AllowAtomicPublish && !got.AllowAtomicPublish
	got.AllowAtomicPublish = got.AllowAtomicPublish || missing
	if got.Replicas < want.Replicas {
		got.Replicas, missing = want.Replicas, true
	}
	return got, missing
}

// limit brings the server's and our ways to say "no limit" together.
func limit[T int32 | int64](n T) T { return max(n, 0) }
