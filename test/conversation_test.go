package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/fakevllm"
)

// A conversation is the same in one process and on two hosts, a model may speak for those who take part, and a person.
func TestConversation(t *testing.T) {
	t.Parallel()
	program := exampleProgram(t, "conversation")
	alone := call{}.exec(t, program).ok(t)
	lines := strings.Split(strings.TrimSpace(alone), "\n")
	require.Len(t, lines, 1+2*3, alone)
	for i, name := range []string{"clerk", "Ada", "Ben", "Cleo", "Ada", "Ben", "Cleo"} {
		require.True(t, strings.HasPrefix(lines[i], name+": "), lines[i])
	}

	s := up(t, t.TempDir())
	env := []string{"MYRIAD_NATS_URL=" + s.nats}
	for _, id := range []string{"h1", "h2"} {
		h := call{env: append(env, "MYRIAD_AGENTHOST_ID="+id)}.start(t, "agenthost")
		h.says(t, &h.err, "agenthost runs")
	}
	require.Equal(t, alone, call{env: env}.exec(t, program, "--hosts", "h1,h2").ok(t))

	server, model := startVLLM(t, fakevllm.Options{Deterministic: true})
	args := []string{"--endpoint", model, "--model", server.Model(), "--turns", "3"}
	invented := call{}.exec(t, program, args...).ok(t)
	require.Equal(t, 9, strings.Count(invented, "\nAda: ")+strings.Count(invented, "\nBen: ")+strings.Count(invented, "\nCleo: "), invented)
	require.Equal(t, invented, call{env: env}.exec(t, program, append(args, "--hosts", "h1,h2", "--run", "with-a-model")...).ok(t))

	you := call{stdin: []byte("I like swimming.\nThe river is warm.\n")}.exec(t, program, "--you").ok(t)
	require.Equal(t, 2, strings.Count(you, "You> "), you)
	require.Equal(t, 1, strings.Count(you, "\nCleo: My ferry"), "a person hears everything once: %s", you)
}
