// Package subjects is the one place where the names on the wire are written down: every subject, stream, bucket, object
// store and header. Functions build subjects from parts and parse them back, so nobody else joins or splits strings.
//
// Parts that come from people (run ids, model names, hub and environment names, request ids) pass through [Encode] on
// the way in and [Decode] on the way out. A part can therefore hold any bytes, dots and wildcards included, and still be
// exactly one token: it can neither add levels to a subject nor turn it into a wildcard. Shard and agent numbers are
// plain decimals.
//
// A subject that carries requests must never be captured by a stream, because the broker would then answer the request
// itself with its acknowledgement. The tests prove this for every builder here; a new builder belongs in them too.
//
// The package is pure: it imports the standard library only, and every function is safe for concurrent use.
package subjects
