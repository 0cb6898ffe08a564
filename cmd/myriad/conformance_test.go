package main

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/conformance"
	"github.com/myriad-sim/myriad/internal/conformance/sample"
	"github.com/myriad-sim/myriad/internal/natstest"
)

// checkAgent is one call of the command.
func checkAgent(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = realMain(t.Context(), append([]string{"conformance"}, args...), &out, &errs)
	return code, out.String(), errs.String()
}

func TestConformanceCommand(t *testing.T) {
	server := natstest.Start(t)
	for host, d := range map[string]sample.Defect{"good": sample.JSONOnly, "bad": sample.OwnErrorCode, "mute": sample.Mute} {
		a, err := sample.Start(server.Connect(t), host, "alice", d)
		require.NoError(t, err)
		t.Cleanup(a.Close)
	}

	code, out, errs := checkAgent(t, "myriad.run.r1.code.good.alice", "--server", server.URL())
	require.Zero(t, code, out+errs)
	require.Contains(t, out, "Checking myriad.run.r1.code.good.alice\n")
	require.Regexp(t, `(?m)^  pass  request-id         a repeated request is done once`, out)
	require.Regexp(t, `(?m)^  skip  msgpack .*\n        the agent reads JSON only, and says so: `, out)
	require.Regexp(t, `\n\d+ passed, 0 failed, \d+ skipped. Level: JSON\n$`, out)

	code, out, errs = checkAgent(t, "code.bad.alice", "--run", "r1", "--server", server.URL(), "--json")
	require.Equal(t, 1, code)
	require.Empty(t, errs)
	var r conformance.Report
	require.NoError(t, json.Unmarshal([]byte(out), &r))
	require.Equal(t, "myriad.run.r1.code.bad.alice", r.Subject)
	require.Len(t, r.Results, len(conformance.Checks()))
	for _, c := range r.Results {
		require.NotEmpty(t, c.Why)
		if c.Check == "malformed" {
			require.Equal(t, conformance.Failed, c.Status)
			require.Equal(t, "the error bad-request for the payload {", c.Expected)
			require.Contains(t, c.Got, "the error E17: ")
		}
	}

	code, out, _ = checkAgent(t, "code.mute.alice", "--run", "r1", "--server", server.URL(), "--timeout", "100ms")
	require.Equal(t, 1, code)
	require.Regexp(t, `FAIL  reply .*\n        expected: a message\n        got:      no answer\n`, out)
	code, out, _ = checkAgent(t, "code.nobody.alice", "--run", "r1", "--server", server.URL())
	require.Equal(t, 1, code)
	require.Contains(t, out, "nobody listens on myriad.run.r1.code.nobody.alice.reply; is the agent's program running")

	for args, want := range map[string]string{"code.good.alice": "say in which run", "alice": "use a subject such as"} {
		code, _, errs = checkAgent(t, args, "--server", server.URL())
		require.Equal(t, 1, code)
		require.Contains(t, errs, want)
	}
}
