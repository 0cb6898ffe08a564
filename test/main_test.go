package test

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/host"
)

func TestMain(m *testing.M) {
	if os.Getenv(asHost) != "" {
		os.Exit(host.Main(testKinds()))
	}
	goleak.VerifyTestMain(m, append(natstest.Leftovers(), goleak.Cleanup(func(code int) {
		if dir := binaryDir.Load(); dir != nil {
			_ = os.RemoveAll(*dir) // what cannot be removed from the temporary directory is not worth a failure
		}
		os.Exit(code) // goleak leaves the end of the test program to its Cleanup
	}))...)
}
