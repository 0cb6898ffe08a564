package control_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// coordinator answers one endpoint in place of the service.
func coordinator(t *testing.T, nc *nats.Conn, endpoint string, answer func(m *nats.Msg)) {
	t.Helper()
	sub, err := nc.Subscribe(subjects.Service("coordinator", endpoint), answer)
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	t.Cleanup(func() { require.NoError(t, sub.Unsubscribe()) })
}

func TestAsk(t *testing.T) {
	nc := natstest.Start(t).InProcess(t)
	require.ErrorIs(t, control.Ask(t.Context(), nc, control.Pause, control.Order{Run: "r1"}, nil), control.ErrNoCoordinator)
	require.Error(t, control.Ask(t.Context(), nc, control.Pause, func() {}, nil), "what is no JSON is not sent")

	agents := 7
	in := control.Submission{File: "f.yaml", Source: "version: 1", Overrides: scenario.Overrides{Agents: &agents}, ShardSize: 3}
	want := control.Info{ID: "r1", Scenario: "f", State: "created", Seed: 1<<64 - 1, Agents: 7, Created: time.Unix(1, 2).UTC()}
	coordinator(t, nc, control.Submit, func(m *nats.Msg) {
		var got control.Submission
		if json.Unmarshal(m.Data, &got) != nil || got.Source != in.Source || *got.Overrides.Agents != 7 || got.ShardSize != 3 {
			return // the test times out
		}
		data, _ := json.Marshal(want)
		_ = m.Respond(data)
	})
	var got control.Info
	require.NoError(t, control.Ask(t.Context(), nc, control.Submit, in, &got))
	require.Equal(t, want, got)
	require.NoError(t, control.Ask(t.Context(), nc, control.Submit, in, nil))

	refusal := func(data string) func(m *nats.Msg) {
		return func(m *nats.Msg) {
			_ = m.RespondMsg(&nats.Msg{Data: []byte(data), Header: nats.Header{micro.ErrorHeader: {"because"}, micro.ErrorCodeHeader: {"400"}}})
		}
	}
	coordinator(t, nc, control.Cancel, refusal(`{"code":"invalid","detail":"bad scenario","lines":["1:2: no"]}`))
	err := control.Ask(t.Context(), nc, control.Cancel, control.Order{}, &got)
	var p *control.Problem
	require.ErrorAs(t, err, &p)
	require.Equal(t, control.Problem{Code: "invalid", Detail: "bad scenario", Lines: []string{"1:2: no"}}, *p)
	require.EqualError(t, err, "bad scenario")

	for endpoint, data := range map[string]string{control.Status: "not JSON", control.Resume: "{}"} {
		coordinator(t, nc, endpoint, refusal(data))
		err := control.Ask(t.Context(), nc, endpoint, control.Order{}, nil)
		require.ErrorContains(t, err, "because", "an error without a readable problem is still told")
		require.NotErrorAs(t, err, &p)
	}

	coordinator(t, nc, "nonsense", func(m *nats.Msg) { _ = m.Respond([]byte("what?")) })
	require.ErrorContains(t, control.Ask(t.Context(), nc, "nonsense", control.Order{}, &got), "decode")

	ctx, cancel := context.WithCancel(t.Context())
	coordinator(t, nc, "silent", func(*nats.Msg) { cancel() })
	require.ErrorIs(t, control.Ask(ctx, nc, "silent", control.Order{}, nil), context.Canceled)
}

func TestList(t *testing.T) {
	srv := natstest.Start(t)
	js := srv.JetStream(t)
	kv, err := js.KeyValue(t.Context(), subjects.BucketRuns)
	require.NoError(t, err)
	list, err := control.List(t.Context(), kv)
	require.NoError(t, err)
	require.Equal(t, []control.Info{}, list, "an empty list in JSON, not null")

	put := func(id string, data []byte) {
		_, err := kv.Put(t.Context(), subjects.Encode(id), data)
		require.NoError(t, err)
	}
	for i, id := range []string{"old", "same-b", "same-a", "gone"} {
		data, err := json.Marshal(control.Info{ID: id, State: "finished", Created: time.Unix(int64(min(i, 1)), 0).UTC()})
		require.NoError(t, err)
		put(id, data)
		put(id, data) // only the last entry of a run counts
	}
	put("Damaged!", []byte("{"))
	require.NoError(t, kv.Delete(t.Context(), "gone"))
	list, err = control.List(t.Context(), kv)
	require.NoError(t, err)
	require.Len(t, list, 4)
	require.Equal(t, "Damaged!", list[0].ID, "one bad entry hides nothing, itself included")
	require.Equal(t, control.StateDamaged, list[0].State)
	require.False(t, list[0].Over())
	require.Equal(t, []string{"same-a", "same-b", "old"}, []string{list[1].ID, list[2].ID, list[3].ID}, "newest first")
	require.True(t, list[1].Over())

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = control.List(ctx, kv)
	require.ErrorIs(t, err, context.Canceled)
}
