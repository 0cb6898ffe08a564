// Package msg is the message: what agents, environments and hubs give each other.
//
// A [Msg] says who speaks, in which role, and what: a text or structured data. Instead of a content it may hold a
// [Placeholder], the promise of a message that somebody else is still working on; wherever a message is expected a
// promised one may stand, and who needs the content asks the producer for it.
//
// Messages travel as [Msgpack] between programs and as [JSON] for people; [EncodingOf] picks one from a Content-Type.
// Both carry the same: what one decodes to, the other decodes to as well. The msgpack form is a versioned array to which
// fields are only ever appended, and the JSON form an object. Readers step over fields they do not know and refuse a
// version they do not know, by its number. Decoders are made for hostile input: they check size, depth, text and types,
// never panic, and hold only what the input pays for in bytes.
//
// Numbers in metadata and data have one form, whatever they were before: a whole number that fits is an int64, any other
// finite number a float64. NaN and infinities are refused.
//
// The package is pure: it imports the standard library and the msgpack codec only. Messages are values; nothing here
// changes one behind its owner's back, but metadata and URLs are shared between copies.
package msg
