// Package promise is both sides of placeholders: the [Producer], which makes promised messages and hands them out, and the
// [Holder], which asks for them and waits.
//
// A holder asks with one request on the placeholder's subject, which stays open: its one reply comes when the message
// exists, or when it is certain that it never will. Asking twice is harmless, so a holder asks again whenever a request or
// reply may have got lost. Nothing polls, and no goroutine waits for an answer on either side.
//
// A request with the header subjects.HeaderCancel ends the work and is answered at once: with an empty message, or, where
// the outcome is the promise of somebody else's work, with that promise, so that the holder can go on there.
//
// While a holder waits it listens to the producer's signs of life on subjects.Alive, one each [BeatEvery]:
//
//   - an empty message: it lives;
//   - "back": it lives, but its connection was away and requests or replies may have been lost: ask again;
//   - "gone": it has stopped: ask again, somebody may have taken over.
//
// After [AskAgain] without a sign the holder asks again, and if the broker says that nobody listens the producer is lost.
// After [LostAfter] without a sign it is lost even if something listens. Time without a sign is counted only while the
// holder's own connection works, which it proves with a message to itself in each tick of its clock; so a broker that is
// away, or a machine that slept, makes nobody lost. For LostAfter after its own connection came back a holder does not
// believe the broker that nobody listens: the producer may be on its way back too.
//
// A placeholder says when the producer may have forgotten the message, on the producer's clock. The clocks of machines may
// differ by [ClockSkew]: until so long after that time a holder still asks, and the producer decides.
//
// It may import pkg/msg, pkg/subjects, internal/wire and the NATS client.
package promise

import "time"

const (
	// BeatEvery is the time between two signs of life of a producer.
	BeatEvery = 500 * time.Millisecond
	// AskAgain is how long a holder waits for a sign of life before it asks again.
	AskAgain = time.Second
	// LostAfter is how long a holder waits for a sign of life before it gives the producer up.
	LostAfter = 2500 * time.Millisecond
	// ClockSkew is by how much the clocks of two machines may differ.
	ClockSkew = 5 * time.Second
	// MaxHops is how many promises a promised message may be away.
	MaxHops = 10_000
)

// Payloads of signs of life.
const (
	signBack = "back"
	signGone = "gone"
)
