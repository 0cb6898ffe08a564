package natstest

import (
	"testing"

	"go.uber.org/goleak"
)

// leftovers are goroutines that embedded servers and the NATS client may leave behind.
var leftovers = []string{
	// A coarse clock for all stores of the process: a store that is stopped while it is being created does not always give it back.
	"github.com/nats-io/nats-server/v2/server/ats.Register.func1",
	// Writes the blocks of a store. In a cluster, a store that is given up while its server stops keeps it.
	"github.com/nats-io/nats-server/v2/server.(*msgBlock).flushLoop",
	// Belongs to a publisher that was closed before this goroutine began, as the publisher of a small object may be.
	"github.com/nats-io/nats.go/jetstream.(*jetStream).resetPendingAcksOnReconnect",
}

// Leftovers tells goleak of the goroutines that are not ours to end.
func Leftovers() []goleak.Option {
	options := make([]goleak.Option, len(leftovers))
	for i, name := range leftovers {
		options[i] = goleak.IgnoreAnyFunction(name)
	}
	return options
}

// VerifyMain is goleak.VerifyTestMain for packages whose tests start embedded servers.
func VerifyMain(m *testing.M) { goleak.VerifyTestMain(m, Leftovers()...) }
