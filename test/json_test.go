package test

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"
)

// Every verb of agents, hosts, hubs and environments is a request with JSON that anyone can type.
func TestEveryVerbSpeaksJSON(t *testing.T) {
	t.Parallel()
	s := up(t, t.TempDir())
	nc := s.connect(t)
	ask := func(subject, body string, header ...string) map[string]any {
		t.Helper()
		m := nats.NewMsg("myriad.run.demo." + subject)
		m.Header.Set("Content-Type", "application/json")
		for i := 0; i < len(header); i += 2 {
			m.Header.Set(header[i], header[i+1])
		}
		if body != "" {
			m.Data = []byte(body)
		}
		got, err := nc.RequestMsg(m, 30*time.Second)
		require.NoError(t, err, subject)
		require.Empty(t, got.Header.Get("Myriad-Error"), "%s %s", subject, body)
		require.Equal(t, "application/json", got.Header.Get("Content-Type"), subject)
		var out map[string]any
		require.NoError(t, json.Unmarshal(got.Data, &out), "%s: %s", subject, got.Data)
		return out
	}
	content := func(out map[string]any, key string) any {
		t.Helper()
		data, ok := out["content"].(map[string]any)
		require.True(t, ok, "%v", out)
		return data[key]
	}

	const anna = "code.local.anna"
	require.Equal(t, anna, content(ask("host.local.create", `{"content":{"name":"anna","kind":"dialog","config":{"lines":["Yes.","No."]}}}`), "address"))
	require.Equal(t, "Yes.", ask(anna+".reply", `{"content":"Is it you?"}`)["content"])
	ask(anna+".observe", `[{"content":"It rains."},{"content":"It pours."}]`)
	require.InDelta(t, 4, content(ask(anna+".state", ""), "memory_length"), 0)
	require.Equal(t, "No.", ask(anna+".interview", `{"content":"Are you sure?"}`)["content"])
	promised := ask(anna+".call", `{"content":"Are you sure?"}`)["placeholder"].(map[string]any)
	require.Equal(t, "No.", ask(fmt.Sprintf("task.%s.%s", promised["producer"], promised["id"]), "")["content"])
	require.Equal(t, "code.local.beth", content(ask("host.local.clone", `{"content":{"from":"anna","to":"beth"}}`), "address"))
	require.Len(t, content(ask("host.local.list", ""), "agents"), 2)

	ask("hub.room.call.create", `{"content":{}}`)
	ask("hub.room.call.add", `{"content":{"addresses":["code.local.anna","code.local.beth"]}}`)
	ask("hub.room.call.broadcast", `{"content":"Hello."}`, "Myriad-Sender", anna)
	ask("hub.room.call.announce", `{"content":"It is five."}`)
	require.Len(t, content(ask("hub.room.call.participants", ""), "participants"), 2)
	require.Len(t, content(ask("hub.room.call.history", `{"content":{"after":0,"limit":100}}`), "messages"), 5)
	require.Eventually(t, func() bool {
		return content(ask("code.local.beth.state", ""), "memory_length").(float64) == 6+2
	}, patience, often, "what was said is heard")
	ask("hub.room.call.delete", `{"content":{"addresses":["code.local.beth"]}}`)
	ask("hub.room.call.close", "")
	ask("host.local.delete", `{"content":{"name":"beth"}}`)

	call := func(function, body string, want any) {
		t.Helper()
		out := ask("env.world.call."+function, body)
		if want != nil {
			require.EqualValues(t, want, out["content"], function)
		}
	}
	call("create", `{"content":{"kind":"state","config":{"state":{"fish":100}}}}`, nil)
	call("get", `{"content":{"key":"fish"}}`, 100.)
	call("set", `{"content":{"key":"fish","value":90}}`, nil)
	call("incr", `{"content":{"key":"fish","by":-1}}`, 89.)
	call("compare_and_set", `{"content":{"key":"fish","expect":89,"value":80}}`, map[string]any{"done": true, "value": 80.})
	call("append", `{"content":{"key":"log","value":"caught"}}`, 1.)
	call("keys", "", []any{"fish", "log"})
	call("query", `{"content":{"expression":"state.fish * 2"}}`, 160.)
	call("listen", `{"content":{"name":"few","when":"state.fish < 20","tell":["code.local.anna"]}}`, nil)
	call("unlisten", `{"content":{"name":"few"}}`, nil)
	call("describe", "", nil)
	call("export", "", nil)
	call("delete", `{"content":{"key":"log"}}`, true)
	ask("env.world=2Fnorth.call.create", `{"content":{"kind":"chatroom"}}`)
	ask("env.world=2Fnorth.call.join", `{"content":{"name":"anna"}}`, "Myriad-Sender", anna)
	call("remove", "", nil)
}
