package bus

import "github.com/nats-io/nats.go"

// InboxRoot is the first token of all inboxes: where answers go.
const InboxRoot = "_INBOX"

// inboxName is how much of a public key names its user's inboxes: 60 bits of it are no other's.
const inboxName = 13

// InboxPrefix is what the inboxes of the user of an nkey begin with, without a "." at its end. Only that user may read
// them; see internal/keys. public is the key's public half.
func InboxPrefix(public string) string {
	return InboxRoot + "." + public[:min(len(public), inboxName)]
}

// asUser lets a connection be that of the user whose seed is in a file.
func asUser(seedFile string) (nats.Option, error) {
	key, err := nats.NkeyOptionFromSeed(seedFile)
	if err != nil {
		return nil, err
	}
	return func(o *nats.Options) error {
		if err := key(o); err != nil { // it sets Nkey
			return err
		}
		return nats.CustomInboxPrefix(InboxPrefix(o.Nkey))(o)
	}, nil
}
