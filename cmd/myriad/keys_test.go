package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/keys"
)

// typed runs myriad and returns its exit code and what it printed.
func typed(t *testing.T, args ...string) (int, string) {
	t.Helper()
	var out bytes.Buffer
	code := realMain(t.Context(), args, &out, &out)
	return code, out.String()
}

func TestKeysSayNoSecret(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	var all string
	say := func(want int, args ...string) string {
		code, text := typed(t, args...)
		require.Equal(t, want, code, text)
		all += text
		return text
	}
	text := say(0, "keys", "init", dir, "--host", "sim.example.org", "--days", "30")
	require.Contains(t, text, "sim.example.org")
	require.Contains(t, text, "29 days")
	for _, r := range keys.Roles {
		require.Contains(t, text, "\n"+string(r)+" ")
	}
	require.Contains(t, say(1, "keys", "init", dir), "exists already")
	text = say(0, "keys", "agent", dir, "--run", "r1", "--host", "js-1")
	for _, name := range []string{"MYRIAD_NATS_URL=tls://", "MYRIAD_NATS_CA=/", "MYRIAD_NATS_NKEY=/", "MYRIAD_NATS_INBOX=_INBOX.U", "MYRIAD_RUN=r1\n"} {
		require.Contains(t, text, "export "+name)
	}
	require.Contains(t, text, " myriad.run.r1.code.js-1.*.*:\n")
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "protocol.md"))
	require.NoError(t, err)
	_, documented, found := strings.Cut(string(page), "<!-- test: variables -->\n")
	require.True(t, found)
	documented, _, _ = strings.Cut(documented, "\n\n")
	require.Equal(t, strings.Count(text, "export "), strings.Count(documented, "\n| `"), "each variable is in docs/protocol.md")
	for line := range strings.Lines(text) {
		if name, _, ok := strings.Cut(strings.TrimPrefix(line, "export "), "="); ok && strings.HasPrefix(line, "export ") {
			require.Contains(t, documented, "| `"+name+"` |")
		}
	}
	text = say(0, "keys", "agent", dir, "--run", "it's $HOME", "--host", "js 2")
	require.Contains(t, text, `export MYRIAD_RUN='it'\''s $HOME'`+"\n")
	require.Contains(t, say(0, "keys", "show", dir), "agent of run r1, host js-1")
	require.Contains(t, say(1, "keys", "agent", dir, "--run", "r2", "--host", "js-1"), "exists already")
	say(0, "keys", "agent", dir, "--run", "r1", "--host", "js-1", "--remove")
	require.NotContains(t, say(0, "keys", "renew", dir, "--days", "3"), "js-1")
	require.Contains(t, say(1, "keys", "show", t.TempDir()), "keys init")

	d := keys.Dir(dir)
	secrets := []string{d.HTTPToken(), d.CAKey(), d.NATSKey(), d.HTTPKey()}
	for _, r := range keys.Roles {
		secrets = append(secrets, d.Seed(r))
	}
	for _, file := range secrets {
		data, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range strings.Lines(string(data)) {
			if line = strings.TrimSpace(line); !strings.HasPrefix(line, "---") {
				require.NotContains(t, all, line[:min(len(line), 20)], file)
			}
		}
	}
}

// Off loopback nothing starts without keys, and what is said names what to do.
func TestUpRefusesToListenWithoutKeys(t *testing.T) {
	for _, flags := range [][]string{{"--nats", "0.0.0.0:0", "--http", ""}, {"--nats", "127.0.0.1:0", "--http", "0.0.0.0:0"}} {
		code, text := typed(t, append([]string{"up", "--data", filepath.Join(t.TempDir(), "data")}, flags...)...)
		require.Equal(t, 1, code)
		require.Contains(t, text, "keys init")
		require.Contains(t, text, "--keys")
	}
	code, text := typed(t, "up", "--data", filepath.Join(t.TempDir(), "data"), "--keys", t.TempDir(), "--nats", "0.0.0.0:0")
	require.Equal(t, 1, code)
	require.Contains(t, text, "keys init")
}
