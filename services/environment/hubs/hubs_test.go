package hubs_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/hub"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestAHubFromCreationToItsEnd(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv)
	c := client{srv.Connect(t), "r"}
	ann, bob := subjects.CodeAddress("h", "ann"), subjects.CodeAddress("h", "bob")

	_, err := request(t, c.nc, "square", "add", "", "", text(""))
	require.ErrorIs(t, err, hub.ErrBadRequest)
	_, err = request(t, c.nc, "square", "announce", "", "", text("hi"))
	require.ErrorIs(t, err, hub.ErrNoHub)
	require.ErrorContains(t, err, "myriad.run.r.hub.square.call.create", "it says what to do")

	h, err := hub.Open(t.Context(), c, "square", text("welcome"))
	require.NoError(t, err)
	_, err = hub.Open(t.Context(), c, "square", text("again"))
	require.NoError(t, err)
	joined, err := h.Add(t.Context(), ann, bob, ann)
	require.NoError(t, err)
	require.Len(t, joined, 2)
	again, err := h.Add(t.Context(), bob)
	require.NoError(t, err)
	require.Empty(t, again, "it takes part already")
	in, err := h.Participants(t.Context())
	require.NoError(t, err)
	require.Equal(t, []hub.Participant{{Address: ann, Joined: joined[0]}, {Address: bob, Joined: joined[1]}}, in)

	_, err = h.Broadcast(t.Context(), text("who am I?"))
	require.ErrorIs(t, err, hub.ErrNotIn)
	_, err = h.As(subjects.CodeAddress("h", "eve")).Broadcast(t.Context(), text("nor I"))
	require.ErrorIs(t, err, hub.ErrNotIn)
	said, err := h.As(ann).Broadcast(t.Context(), msg.Msg{Name: "Ann", Content: msg.Text("one")}, text("two"))
	require.NoError(t, err)
	require.Len(t, said, 2)
	_, err = h.Announce(t.Context(), text("three"))
	require.NoError(t, err)
	_, err = h.Delete(t.Context(), ann)
	require.NoError(t, err)
	_, err = h.As(ann).Broadcast(t.Context(), text("late"))
	require.ErrorIs(t, err, hub.ErrNotIn)

	var kinds []string
	var all []hub.Entry
	for e, err := range h.History(t.Context(), 0) {
		require.NoError(t, err)
		all, kinds = append(all, e), append(kinds, e.Kind)
		require.NotEmpty(t, e.Message.ID)
		require.False(t, e.Message.Time.IsZero())
	}
	require.Equal(t, strings.Fields("created announcement joined joined said said announcement left"), kinds)
	require.Equal(t, "welcome", all[1].Message.Content.String())
	require.Equal(t, []any{ann, "Ann", "one"}, []any{all[4].Sender, all[4].Message.Name, all[4].Message.Content.String()})
	require.Equal(t, "ann", all[5].Message.Name, "one who does not say its name has that of its address")
	require.Equal(t, []uint64{all[4].Seq, all[5].Seq}, said)
	require.JSONEq(t, `{"address":"code.h.ann"}`, all[7].Message.Content.String())

	require.NoError(t, h.Close(t.Context()))
	require.ErrorIs(t, h.Close(t.Context()), hub.ErrNoHub)
	_, err = h.As(bob).Broadcast(t.Context(), text("anyone?"))
	require.ErrorIs(t, err, hub.ErrNoHub)
	h, err = hub.Open(t.Context(), c, "square")
	require.NoError(t, err)
	in, err = h.Participants(t.Context())
	require.NoError(t, err)
	require.Empty(t, in, "nobody of before takes part")
	_, texts := history(t, h, 0)
	require.Empty(t, texts, "and nothing of before is told")
}

// A repeated request is answered as it was the first time, by any server, also after all were away.
func TestRepeatedRequestsAreDoneOnce(t *testing.T) {
	srv := natstest.Start(t)
	first := serve(t, srv)
	nc := srv.Connect(t)
	_, all := open(t, client{nc, "r"}, "h", 1)
	seqs, err := request(t, nc, "h", "broadcast", "x", all[0], text("a"), text("b"))
	require.NoError(t, err)
	require.Len(t, seqs, 2)
	repeat := func() {
		t.Helper()
		for range 5 {
			got, err := request(t, nc, "h", "broadcast", "x", all[0], text("a"), text("b"))
			require.NoError(t, err)
			require.Equal(t, seqs, got)
		}
	}
	repeat()
	serve(t, srv)
	repeat()
	first.Close()
	repeat()
	_, texts := stream(t, srv.JetStream(t), "r", "h")
	require.Equal(t, []string{"a", "b"}, texts)

	closed, err := request(t, nc, "h", "close", "y", "")
	require.NoError(t, err)
	got, err := request(t, nc, "h", "close", "y", "")
	require.NoError(t, err, "it is the one that closed it")
	require.Equal(t, closed, got)
}

// Request ids are drawn by who asks: two who draw the same are both heard.
func TestTwoMayDrawTheSameRequestID(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv)
	nc := srv.Connect(t)
	_, all := open(t, client{nc, "r"}, "h", 2)
	for range 2 {
		for i, who := range all {
			_, err := request(t, nc, "h", "broadcast", "1", who, text(fmt.Sprint(i)))
			require.NoError(t, err)
		}
	}
	_, texts := stream(t, srv.JetStream(t), "r", "h")
	require.Equal(t, []string{"0", "1"}, texts)
}

func TestBounds(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv)
	c := client{srv.Connect(t), "r"}
	h, all := open(t, c, "h", 1)
	_, err := h.As(all[0]).Broadcast(t.Context(), text(strings.Repeat("x", 200<<10)))
	require.ErrorIs(t, err, hub.ErrTooLarge)
	many := make([]msg.Msg, 1001)
	_, err = request(t, c.nc, "h", "broadcast", "", all[0], many...)
	require.ErrorIs(t, err, hub.ErrBadRequest)
	_, err = h.Add(t.Context(), "somebody")
	require.ErrorIs(t, err, hub.ErrBadRequest)
	_, err = hub.Open(t.Context(), c, strings.Repeat("x", 200))
	require.ErrorIs(t, err, hub.ErrBadRequest)
	_, err = request(t, c.nc, "h", "sing", "", "")
	require.ErrorIs(t, err, wire.ErrNoFunction)
	require.ErrorContains(t, err, "broadcast")
	past := wire.Request{Msgs: []msg.Msg{text("late")}, Deadline: time.Now().Add(-time.Second)}
	_, err = wire.Ask(t.Context(), c.nc, subjects.HubCall("r", "h", "announce"), past)
	require.ErrorIs(t, err, wire.ErrDeadline)
	_, texts := history(t, h, 0)
	require.Empty(t, texts, "nothing of it was said")

	deep := any("core")
	for range msg.MaxDepth - 1 {
		deep = []any{deep}
	}
	content, err := msg.Data(deep)
	require.NoError(t, err)
	escapes := strings.Repeat("\x01", 120<<10) // six times that in JSON
	_, err = h.Announce(t.Context(), msg.Msg{Content: content}, text(escapes), text(escapes), text("end"))
	require.NoError(t, err)
	_, texts = history(t, h, 0)
	require.Equal(t, []string{content.String(), escapes, escapes, "end"}, texts, "what was accepted can be read")
}

// More participants than one reply lists are listed in several.
func TestManyParticipants(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv)
	h, all := open(t, client{srv.Connect(t), "r"}, "h", 2500)
	in, err := h.Participants(t.Context())
	require.NoError(t, err)
	require.Len(t, in, len(all))
	for i, p := range in {
		require.Equal(t, all[i], p.Address)
	}
}

// Every verb is usable from a command line.
func TestEveryVerbSpeaksJSON(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv)
	nc := srv.Connect(t)
	ask := func(verb, data string, sender string) map[string]any {
		t.Helper()
		m := nats.NewMsg("myriad.run.r.hub.town.call." + verb)
		m.Header.Set("Content-Type", "application/json")
		if sender != "" {
			m.Header.Set("Myriad-Sender", sender)
		}
		m.Data = []byte(data)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		answer, err := nc.RequestMsgWithContext(ctx, m)
		require.NoError(t, err)
		require.Empty(t, answer.Header.Get("Myriad-Error"))
		require.Equal(t, "application/json", answer.Header.Get("Content-Type"))
		var out struct{ Content map[string]any }
		require.NoError(t, json.Unmarshal(answer.Data, &out))
		return out.Content
	}
	require.Len(t, ask("create", `{"content":{"announcement":"hello"}}`, "")["seq"], 2)
	require.Len(t, ask("add", `{"content":{"addresses":["code.js.ann","agent.0.7"]}}`, "")["seq"], 2)
	require.Len(t, ask("broadcast", `[{"content":"a"},{"content":"b"}]`, "code.js.ann")["seq"], 2)
	require.Len(t, ask("announce", `{"content":{"price":3}}`, "")["seq"], 1)
	require.Len(t, ask("delete", `{"content":{"addresses":["code.js.ann"]}}`, "")["seq"], 1)
	in := ask("participants", "", "")
	require.Equal(t, "agent.0.7", in["participants"].([]any)[0].(map[string]any)["address"])
	past := ask("history", `{"content":{"limit":3}}`, "")
	require.Len(t, past["messages"], 3)
	past = ask("history", fmt.Sprintf(`{"content":{"after":%v}}`, past["next"]), "")
	require.Len(t, past["messages"], 5)
	said := past["messages"].([]any)[1].(map[string]any)
	require.Equal(t, []any{"said", "code.js.ann", "a"}, []any{said["kind"], said["sender"], said["message"].(map[string]any)["content"]})
	require.Len(t, ask("close", "", "")["seq"], 1)
}
