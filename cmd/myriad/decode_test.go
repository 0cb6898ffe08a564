package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
)

// How an answer was had is printed where there is something to say of it.
func TestDecodeAnswers(t *testing.T) {
	a := &runlog.Answers{
		Agents: []int{4, 5}, Status: []stats.Status{stats.Answered, stats.Missing}, Values: []int64{7, 0}, Text: []string{"7", ""},
		TokensIn: []uint32{9, 0}, TokensOut: []uint32{1, 0}, Calls: []uint8{1, 1}, Retries: make([]uint8, 2), PromptSHA: make([]uint64, 2),
		Model: []string{"m", "m"}, Served: []string{"", ""},
	}
	line := func() string {
		data, err := runlog.EncodeAnswers(runlog.Header{Run: "r1", Round: 1, Epoch: 1}, a)
		require.NoError(t, err)
		var out strings.Builder
		require.NoError(t, decodeAll(&out, data))
		return out.String()
	}
	require.NotRegexp(t, "shared_with|apportioned|reasons", line())
	a.Shared, a.Apportioned, a.Reasons = []int32{2, -1}, []bool{true, false}, map[int]string{1: "content filter"}
	for _, part := range []string{`"shared_with":[2,-1]`, `"apportioned":[true,false]`, `"reasons":{"1":"content filter"}`, `"agents":[4,5]`, `"status":["answered","missing"]`} {
		require.Contains(t, line(), part)
	}
}
