package promise

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/msg"
)

func TestTheNewestResultsThatFitAreKept(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.Int64Range(0, 20_000).Draw(t, "bytes")
		p := &Producer{incarnation: "i", cfg: Config{Keep: time.Hour, KeepBytes: most}, tasks: map[place]*Task{}}
		var all []*Task
		for _, size := range rapid.SliceOf(rapid.IntRange(0, 6_000)).Draw(t, "sizes") {
			_, task, err := p.Begin("r", time.Time{})
			require.NoError(t, err)
			task.Finish(msg.Msg{Content: msg.Text(strings.Repeat("x", size))}, nil)
			all = append(all, task)
		}
		var want, bytes int64
		for i := len(all) - 1; i >= 0 && bytes+all[i].out.size() <= most; i-- {
			bytes += all[i].out.size()
			want++
			require.NotNil(t, p.tasks[all[i].at])
		}
		require.Len(t, p.tasks, int(want))
		require.Equal(t, bytes, p.kept.bytes)
		require.LessOrEqual(t, len(p.kept.list), 2*int(want)+1, "what was dropped takes no room")

		p.drop(time.Now().Add(2 * time.Hour))
		require.Empty(t, p.tasks)
		require.Zero(t, p.kept.bytes)
	})
}
