package agenthost

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// "I choose 3" may be the beginning of "I choose 33": a reply that was cut off is believed only where the cut cannot matter.
func TestACutReplyIsNotBelieved(t *testing.T) {
	number := &scenario.AnswerSpec{Type: scenario.TypeNumber}
	for _, c := range []struct {
		spec     *scenario.AnswerSpec
		got      reading.Reading
		cut      bool
		believed bool
	}{
		{number, reading.Reading{Value: 3}, false, true},
		{number, reading.Reading{Value: 3}, true, false},
		{number, reading.Reading{Value: 3, Repaired: true}, true, true},
		{&scenario.AnswerSpec{Type: scenario.TypeChoice}, reading.Reading{}, true, false},
		{&scenario.AnswerSpec{Type: scenario.TypeText}, reading.Reading{Text: "because"}, true, true},
	} {
		_, err := believe(c.spec, c.got, nil, c.cut)
		if c.believed {
			require.NoError(t, err)
		} else {
			require.ErrorIs(t, err, reading.ErrTruncated)
		}
	}
	_, err := believe(number, reading.Reading{}, reading.ErrNoValue, true)
	require.ErrorIs(t, err, reading.ErrNoValue)
}
