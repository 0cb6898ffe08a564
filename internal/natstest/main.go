package natstest

import (
	"testing"

	"go.uber.org/goleak"
)

// Goroutines that embedded servers may leave behind.
const (
	// ServerClock keeps a coarse clock for all stores of the process, and a store that is stopped while it is being created
	// does not always give it back.
	ServerClock = "github.com/nats-io/nats-server/v2/server/ats.Register.func1"
	// ServerFlush writes the blocks of a store. In a cluster, a store that is given up while its server stops keeps it.
	ServerFlush = "github.com/nats-io/nats-server/v2/server.(*msgBlock).flushLoop"
)

// VerifyMain is goleak.VerifyTestMain for packages whose tests start embedded servers.
func VerifyMain(m *testing.M) {
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(ServerClock), goleak.IgnoreAnyFunction(ServerFlush))
}
