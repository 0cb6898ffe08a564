package promise

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
)

func TestPromisesAreFollowedSoFarAndNoFurther(t *testing.T) {
	var way trail
	for i := range MaxHops {
		_, err := way.step(&msg.Placeholder{Run: "r", Producer: "p", ID: strconv.Itoa(i)})
		require.NoError(t, err)
	}
	_, err := way.step(&msg.Placeholder{Run: "r", Producer: "p", ID: "more"})
	require.ErrorIs(t, err, wire.ErrTooLarge)
}

func TestAPromiseIsToldFromOthersByAllItsNames(t *testing.T) {
	var way trail
	for _, p := range []msg.Placeholder{
		{Run: "r", Producer: "p", ID: "1"}, {Run: "s", Producer: "p", ID: "1"},
		{Run: "r", Producer: "q", ID: "1"}, {Run: "r", Producer: "p", ID: "2"},
	} {
		_, err := way.step(&p)
		require.NoError(t, err)
	}
	_, err := way.step(&msg.Placeholder{Run: "s", Producer: "p", ID: "1"})
	require.ErrorIs(t, err, wire.ErrCycle)
}
