package actor

import (
	"fmt"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/agent"
)

// Config says which host a Runtime is, and how much it takes on. Where a number is zero the default stands.
type Config struct {
	Host        string          // its id: the same after a restart, and no other program's at the same time
	Incarnation string          // this life of it
	Kinds       *agent.Registry // what it can make; nil: what comes with Myriad
	// Broker is how child processes reach the broker, if it is this program's own: nothing of MYRIAD_NATS_* is handed on then.
	// Without a URL they do as this process does.
	Broker bus.ConnectConfig

	Workers         int           // agents at most that compute at once; 0: no bound
	MaxWaiting      int           // requests at most that are not answered yet
	MaxWaitingBytes int64         // and the bytes of them
	Keep            time.Duration // how long the result of a call is kept for those who ask
	KeepBytes       int64         // the most bytes of kept results, and again of outcomes by request id
	CallTimeout     time.Duration // the longest a request may take that has no deadline of its own

	parent, agent string // of a child process: the host that started it, and for which agent
}

// Defaults of Config.
const (
	DefaultMaxWaiting      = 1 << 17
	DefaultMaxWaitingBytes = 256 << 20
	DefaultKeep            = 10 * time.Minute
	DefaultKeepBytes       = 64 << 20
	DefaultCallTimeout     = time.Hour
)

func (c Config) complete() (Config, error) {
	if c.Host == "" || c.Incarnation == "" {
		return c, fmt.Errorf("actor: host %q, incarnation %q: both need a name", c.Host, c.Incarnation)
	}
	if c.Workers < 0 || c.MaxWaiting < 0 || c.MaxWaitingBytes < 0 || c.Keep < 0 || c.KeepBytes < 0 || c.CallTimeout < 0 {
		return c, fmt.Errorf("actor: workers %d, max waiting %d and %d bytes, keep %v and %d bytes, call timeout %v: none may be negative",
			c.Workers, c.MaxWaiting, c.MaxWaitingBytes, c.Keep, c.KeepBytes, c.CallTimeout)
	}
	if c.Kinds == nil {
		c.Kinds = agent.NewRegistry()
	}
	c.MaxWaiting = or(c.MaxWaiting, DefaultMaxWaiting)
	c.MaxWaitingBytes = or(c.MaxWaitingBytes, DefaultMaxWaitingBytes)
	c.Keep = or(c.Keep, DefaultKeep)
	c.KeepBytes = or(c.KeepBytes, DefaultKeepBytes)
	c.CallTimeout = or(c.CallTimeout, DefaultCallTimeout)
	return c, nil
}

func or[T int | int64 | time.Duration](v, otherwise T) T {
	if v == 0 {
		return otherwise
	}
	return v
}

// maxName bounds the names of agents, in bytes. They are part of subjects, where a byte may take three.
const maxName = 128

// checkName refuses names that could not be part of a subject or would look like another one to a person.
func checkName(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: an agent needs a name", wire.ErrBadRequest)
	case len(name) > maxName:
		return fmt.Errorf("%w: a name of %d bytes, the limit is %d", wire.ErrBadRequest, len(name), maxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: the name %q is not UTF-8", wire.ErrBadRequest, name)
	}
	for _, r := range name {
		if !unicode.IsGraphic(r) {
			return fmt.Errorf("%w: the name %q has a character that cannot be seen", wire.ErrBadRequest, name)
		}
	}
	return nil
}
