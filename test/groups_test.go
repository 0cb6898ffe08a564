package test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Groups share what they know in environments that are nested in that of the game. It is the same game in one process and on
// three hosts, the members of a group come to the same number in the second round, and the reporter is told once of each.
func TestGroupsShareInformation(t *testing.T) {
	t.Parallel()
	program := exampleProgram(t, "groups")
	alone := call{}.exec(t, program).ok(t)
	lines := strings.Split(strings.TrimSpace(alone), "\n")
	require.Len(t, lines, 5+2+5, alone)
	require.Contains(t, lines[0], "round 1 ")
	for i, told := range lines[7:] {
		require.Regexp(t, `^(red|green|blue) won round `+string(rune('1'+i))+`$`, told)
	}

	s := up(t, t.TempDir())
	env := []string{"MYRIAD_NATS_URL=" + s.nats}
	host := exampleProgram(t, "groups/host")
	for _, id := range []string{"h1", "h2", "h3"} {
		h := call{env: env}.exec(t, host, "--id", id)
		h.says(t, &h.err, "serving agents")
	}
	require.Equal(t, alone, call{env: env}.exec(t, program, "--hosts", "h1,h2,h3").ok(t))
}
