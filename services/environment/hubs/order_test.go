package hubs_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Many speak at once through two servers; one server is killed and the broker restarted meanwhile. What was acknowledged
// is in the stream once, at the place that was acknowledged, each speaker's words in the order in which it said them, and
// whoever reads sees the same.
func TestOneOrderThroughKillsAndRestarts(t *testing.T) {
	t.Parallel() // it mostly waits
	srv := natstest.Start(t)
	doomed := serve(t, srv)
	serve(t, srv)
	c := client{srv.Connect(t), "r"}
	h, all := open(t, c, "h", 8)
	const words = 60
	places := make([][]uint64, len(all))
	reached := make(chan struct{}, len(all)*words)
	var speaking sync.WaitGroup
	for i, a := range all {
		speaking.Go(func() {
			for n := range words {
				seqs, err := h.As(a).Broadcast(t.Context(), text(fmt.Sprintf("%d/%d", i, n)))
				if err != nil || len(seqs) != 1 {
					t.Errorf("%s: word %d: %v %v", a, n, seqs, err)
					return
				}
				places[i] = append(places[i], seqs[0])
				reached <- struct{}{}
			}
		})
	}
	await := func(n int) {
		for range n {
			<-reached
		}
	}
	await(100)
	doomed.Close()
	await(100)
	srv.Kill(t)
	srv.Restart(t)
	speaking.Wait()

	seqs, texts := stream(t, srv.JetStream(t), "r", "h")
	require.Len(t, texts, len(all)*words)
	at := map[uint64]string{}
	for i, s := range seqs {
		at[s] = texts[i]
	}
	for i := range all {
		require.IsIncreasing(t, places[i])
		for n, s := range places[i] {
			require.Equal(t, fmt.Sprintf("%d/%d", i, n), at[s])
		}
	}
	again, same := history(t, h, 0)
	require.Equal(t, seqs, again)
	require.Equal(t, texts, same)
	half, rest := history(t, h, seqs[len(seqs)/2])
	require.Equal(t, seqs[len(seqs)/2+1:], half, "a late joiner may begin anywhere")
	require.Equal(t, texts[len(seqs)/2+1:], rest)
}

// What somebody else puts on the subject of a hub is no record, and in nobody's way.
func TestRecordsOfOthersOnTheSubjectDoNoHarm(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv)
	c := client{srv.Connect(t), "r"}
	h, all := open(t, c, "h", 1)
	js := srv.JetStream(t)
	for i := range 10 {
		_, err := js.Publish(t.Context(), subjects.HubSaid("r", "h"), []byte("no record"))
		require.NoError(t, err)
		_, err = h.As(all[0]).Broadcast(t.Context(), text(fmt.Sprint(i)))
		require.NoError(t, err)
	}
	_, texts := history(t, h, 0)
	require.Len(t, texts, 10)
}

// A run that is removed takes its hubs along, also those that a server knows.
func TestAPurgedHubIsGone(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv)
	c := client{srv.Connect(t), "r"}
	h, all := open(t, c, "h", 1)
	s, err := srv.JetStream(t).Stream(t.Context(), subjects.StreamHub)
	require.NoError(t, err)
	require.NoError(t, s.Purge(t.Context()))
	_, err = h.As(all[0]).Broadcast(t.Context(), text("hello?"))
	require.Error(t, err)
	h, all = open(t, c, "h", 1)
	_, err = h.As(all[0]).Broadcast(t.Context(), text("hello!"))
	require.NoError(t, err)
}
