package natstest

import (
	"testing"

	"go.uber.org/goleak"
)

// ServerClock is the one goroutine that an embedded server may leave behind: it keeps a coarse clock for all stores of the
// process, and a store that is stopped while it is being created does not always give it back.
const ServerClock = "github.com/nats-io/nats-server/v2/server/ats.Register.func1"

// VerifyMain is goleak.VerifyTestMain for packages whose tests start embedded servers.
func VerifyMain(m *testing.M) { goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction(ServerClock)) }
