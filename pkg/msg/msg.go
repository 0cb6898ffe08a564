package msg

import (
	"crypto/rand"
	"time"
)

// Version is the version of the encoded message, the only one this program reads and writes.
const Version = 1

const (
	// MaxSize is the most bytes of one encoded message. It is what a NATS server carries in one payload by default.
	MaxSize = 1 << 20

	// MaxDepth is how deeply metadata and data may be nested: a plain value has depth 1, a list or map of plain values 2.
	MaxDepth = 32
)

// Role is the part that the speaker of a message plays in a conversation with a model. The empty role is allowed and
// leaves the choice to the reader.
type Role string

// Roles.
const (
	RoleSystem    Role = "system"
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
)

// Msg is one message. It is a value: copies share Metadata and URLs, so change those only before passing it on.
type Msg struct {
	// ID tells messages apart. New draws one; a message from outside may have none.
	ID string
	// Name is who speaks; of a promised message, who will.
	Name string
	// Role is the speaker's part.
	Role Role
	// Content is what is said. It is empty while Placeholder is set.
	Content Content
	// URLs point to images, audio, video or files that belong to the message.
	URLs []string
	// Metadata is anything else about the message. Values are nil, bool, string, Go's numbers, []string, []any and
	// map[string]any of these.
	Metadata map[string]any
	// Time is when the message was made, between the years 1678 and 2262. It travels in UTC with nanoseconds; the zero
	// time means unknown.
	Time time.Time
	// Placeholder, if set, says that this message is a promise and who keeps it.
	Placeholder *Placeholder
}

// New makes a message with a fresh random ID and the present time.
func New(name string, role Role, content Content) Msg {
	return Msg{ID: rand.Text(), Name: name, Role: role, Content: content, Time: time.Now().UTC()}
}

// Promise makes a message that stands for one that name is still working on, with a fresh random ID and the present
// time.
func Promise(name string, p Placeholder) Msg {
	return Msg{ID: rand.Text(), Name: name, Role: RoleAssistant, Time: time.Now().UTC(), Placeholder: &p}
}

// Pending reports whether the message is still a promise.
func (m Msg) Pending() bool { return m.Placeholder != nil }

// Placeholder is the promise of a message. Whoever holds it can ask for the message, any number of times, at the request
// subject that Run, Producer and ID name. It holds these and not a subject, so that a hostile message cannot make its
// reader send requests elsewhere.
type Placeholder struct {
	// Run is the run in which the message is made.
	Run string
	// Producer is the incarnation of the host that makes it: one life of one process.
	Producer string
	// ID is the promise's random id at the producer.
	ID string
	// Expires is when the producer may forget the message. The zero time means never.
	Expires time.Time
}

// Expired reports whether the producer may have forgotten the message by now.
func (p Placeholder) Expired(now time.Time) bool { return !p.Expires.IsZero() && now.After(p.Expires) }
