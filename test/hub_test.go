package test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/hub"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Agents on three host processes take part in a hub; one host is killed while they talk, and started again. Every participant
// hears every message of the others once, in the order of the hub.
func TestHubOutlivesAHost(t *testing.T) {
	t.Parallel()
	s := up(t, t.TempDir())
	heardByAll(t, s, 60, 1500)
}

// The full size: 1,000 participants, 10,000 messages.
func BenchmarkHubOutlivesAHost(b *testing.B) {
	participants, messages := 1000, 10_000
	if testing.Short() {
		participants, messages = 100, 1000
	}
	for b.Loop() {
		s := up(b, b.TempDir())
		began := time.Now()
		heardByAll(b, s, participants, messages)
		b.ReportMetric(float64(participants*messages)/time.Since(began).Seconds(), "heard/s")
	}
}

func heardByAll(t testing.TB, s *upStack, participants, messages int) {
	t.Helper()
	ids := []string{"h1", "h2", "h3"}
	hosts := map[string]*process{}
	for _, id := range ids {
		hosts[id] = startHost(t, s, id)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	w := open(t, s, "talk", ids...)
	square, err := w.Hub(ctx, "square")
	require.NoError(t, err)
	var ears []*agent.Ref
	var all []subjects.Address
	for i := range participants {
		e, err := w.Agent(ctx, agent.Spec{Name: fmt.Sprint("ear-", i), Kind: "ear"})
		require.NoError(t, err)
		ears, all = append(ears, e), append(all, e.Address())
	}
	_, err = square.Add(ctx, all...)
	require.NoError(t, err)

	// Speakers are on every host; that one is away for a while does not keep the program from speaking in its name.
	const speakers, most = 8, 25
	var talk errgroup.Group
	kill, restart := make(chan struct{}), make(chan struct{}) // closed by the first speaker, a third and two thirds of its way
	for sp := range speakers {
		talk.Go(func() error {
			mine, marks := square.As(all[sp]), []chan struct{}{kill, restart}
			for at, end := messages*sp/speakers, messages*(sp+1)/speakers; at < end; {
				var said []msg.Msg
				for ; at < end && len(said) < most; at++ {
					said = append(said, msg.New("", msg.RoleUser, msg.Text(fmt.Sprint(sp, " says ", at))))
				}
				if _, err := mine.Broadcast(ctx, said...); err != nil {
					return err
				}
				if sp == 0 && len(marks) > 0 && at >= messages/speakers*(3-len(marks))/3 {
					close(marks[0])
					marks = marks[1:]
				}
			}
			return nil
		})
	}
	<-kill
	require.NoError(t, hosts["h2"].cmd.Process.Signal(syscall.SIGKILL))
	hosts["h2"].wait(t)
	<-restart
	hosts["h2"] = startHost(t, s, "h2")
	require.NoError(t, talk.Wait())

	want := expected(ctx, t, square, all)
	for i, e := range ears {
		require.Eventually(t, func() bool {
			got, err := e.Reply(ctx)
			require.NoError(t, err)
			var heard ear
			require.NoError(t, got.Content.Decode(&heard))
			require.LessOrEqual(t, heard.Count, want[i].Count, "participant %d heard something twice", i)
			return heard == want[i]
		}, 2*patience, often, "participant %d did not hear everything in order", i)
	}
}

// expected is what each participant hears, if it hears everything that others said.
func expected(ctx context.Context, t testing.TB, h *hub.Hub, all []subjects.Address) []ear {
	t.Helper()
	want := make([]ear, len(all))
	said := 0
	for e, err := range h.History(ctx, 0) {
		require.NoError(t, err)
		if e.Kind != subjects.SaidMessage {
			continue
		}
		said++
		for i, a := range all {
			if a != e.Sender {
				want[i].hear(e.Message.Content.String())
			}
		}
	}
	require.Positive(t, said)
	return want
}
