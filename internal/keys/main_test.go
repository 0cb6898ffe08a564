package keys_test

import (
	"testing"

	"github.com/myriad-sim/myriad/internal/natstest"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }
