package test

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/keys"
	"github.com/myriad-sim/myriad/internal/natstest"
)

// keyedStack is a stack that `myriad up --keys` keeps running.
type keyedStack struct {
	*process
	dir  keys.Dir
	http string // base URL
	nats string
}

var (
	httpsLine  = regexp.MustCompile(`HTTP API +(https://\S+)`)
	tlsLine    = regexp.MustCompile(`NATS +(tls://\S+)`)
	exportLine = regexp.MustCompile(`(?m)^export (\w+=.*)$`)
)

// upKeyed starts a stack with new keys on free ports.
func (c call) upKeyed(t *testing.T) *keyedStack {
	t.Helper()
	dir, err := keys.Init(filepath.Join(t.TempDir(), "keys"), nil, 1)
	require.NoError(t, err)
	s := &keyedStack{dir: dir, process: c.start(t, "up", "--keys", string(dir), "--http", "127.0.0.1:0", "--nats", "127.0.0.1:0")}
	s.says(t, &s.out, "Ctrl-C stops")
	text := s.out.String()
	s.http, s.nats = httpsLine.FindStringSubmatch(text)[1], tlsLine.FindStringSubmatch(text)[1]
	return s
}

// as connects as the user of a seed, once the server knows it.
func (s *keyedStack) as(t *testing.T, seed string) (nc *nats.Conn) {
	t.Helper()
	require.Eventually(t, func() bool {
		var err error
		nc, err = bus.Connect(t.Context(), bus.ConnectConfig{URL: s.nats, CA: s.dir.CA(), NKey: seed}, natstest.Logger(t))
		return err == nil
	}, patience, often)
	t.Cleanup(nc.Close)
	return nc
}

// ask asks the HTTP API with the token, as curl --cacert does.
func (s *keyedStack) ask(t *testing.T, method, path string, body []byte) string {
	t.Helper()
	ca, err := os.ReadFile(s.dir.CA())
	require.NoError(t, err)
	token, err := os.ReadFile(s.dir.HTTPToken())
	require.NoError(t, err)
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(ca))
	client := &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
	}}
	req, err := http.NewRequestWithContext(t.Context(), method, s.http+path, bytes.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	resp, err := client.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Less(t, resp.StatusCode, 300, "%s", data)
	return string(data)
}

// outsideKey has `myriad keys agent` make a user, and returns what it says to set, for this server.
func (s *keyedStack) outsideKey(t *testing.T, run, host string) []string {
	t.Helper()
	said := call{}.run(t, "keys", "agent", string(s.dir), "--run", run, "--host", host).ok(t)
	var env []string
	for _, m := range exportLine.FindAllStringSubmatch(said, -1) {
		env = append(env, m[1])
	}
	require.Len(t, env, 5, said)
	env = append(env, "MYRIAD_NATS_URL="+s.nats)
	s.as(t, setting(t, env, "MYRIAD_NATS_NKEY")).Close()
	return env
}

// setting is the value of a variable.
func setting(t *testing.T, env []string, name string) string {
	t.Helper()
	for _, v := range env {
		if value, ok := strings.CutPrefix(v, name+"="); ok {
			return value
		}
	}
	require.Fail(t, "not set", name)
	return ""
}

// probe does with an outside agent's key what it may and what it may not, and says what came of it.
const probe = `
import { connected } from "./connection.mjs";
const nc = await connected();
const run = process.env.MYRIAD_RUN;
const refusals = [];
(async () => { for await (const s of nc.status()) if (s.type === "error") refusals.push(s.error.message); })();
const answer = await nc.request("myriad.run." + run + ".agent.0.7.state", "", { timeout: 30000 });
console.log("asked:", answer.data.length > 0);
const forbidden = ["myriad.run.other.code.js-1.alice.reply", "myriad.run." + run + ".log.ctl.closed", "myriad.svc.coordinator.cancel",
  "$JS.API.STREAM.INFO.MYRIAD_LOG", "myriad.alive.js-2"];
const unheard = ["myriad.run.*.code.js-1.*.*", "myriad.run." + run + ".code.js-2.*.*", "myriad.>", "_INBOX.>"];
for (const subject of forbidden) nc.publish(subject);
for (const subject of unheard) nc.subscribe(subject, { callback: () => {} });
nc.publish("myriad.run." + run + ".code.js-1.nobody.observe");
nc.publish("myriad.alive.js-1");
await nc.flush(); // refusals come before the answer to this
await new Promise((done) => setImmediate(done));
for (const subject of [...forbidden, ...unheard]) {
  console.log("refused", subject + ":", refusals.some((text) => text.includes('"' + subject + '"')));
}
console.log("refused beside:", refusals.length - forbidden.length - unheard.length);
await nc.close();
`

// An agent in another language plays a seat on a stack with keys, with what `myriad keys agent` says to set. It cannot step
// over what its user may do, says what is missing, and ends when its user is taken away.
func TestAgentInJavaScriptWithItsKey(t *testing.T) {
	t.Parallel()
	dir := installed(t)
	s := call{}.upKeyed(t)
	source, err := os.ReadFile(filepath.Join(dir, "guess-with-guest.yaml"))
	require.NoError(t, err)
	run := parsed[control.Info](t, s.ask(t, http.MethodPost, "/v1/runs", source)).ID
	env := s.outsideKey(t, run, "js-1")
	js := call{dir: dir, env: env}
	alice := js.exec(t, "node", "agent.mjs")
	alice.says(t, &alice.out, "alice of js-1 listens on myriad.run."+run+".code.js-1.alice.*")

	require.Contains(t, s.ask(t, http.MethodGet, "/v1/runs/"+run+"/events", nil), "event: finished")
	guest, players := guests(t, s.ask(t, http.MethodGet, "/v1/runs/"+run+"/results", nil))
	require.Equal(t, 5*999, players)
	require.Len(t, guest, 5)
	require.InDelta(t, 50*4.0/9, guest[0], 0.02)
	require.Equal(t, guest, remembered(t, s.as(t, s.dir.Seed(keys.CLI)), run))

	require.NoError(t, os.WriteFile(filepath.Join(dir, "probe.mjs"), []byte(probe), 0o600))
	tried := js.exec(t, "node", "probe.mjs")
	said := tried.ok(t)
	require.Contains(t, said, "asked: true\n")
	require.Equal(t, 9, strings.Count(said, ": true\n")-1, said)
	require.Contains(t, said, "refused beside: 0\n", "what it may do is not refused")

	fails := func(want string, args []string, change ...string) {
		t.Helper()
		c := js
		c.env = append(append([]string{}, env...), change...)
		text := c.exec(t, "node", append([]string{"agent.mjs"}, args...)...).fails(t, 1)
		require.Contains(t, text, "error: ")
		require.Contains(t, text, want)
		require.NotContains(t, text, "    at ", "a trace is no answer to a person")
		noSecrets(t, s.dir, text)
	}
	fails("myriad keys agent", []string{"js-2", "alice"})
	fails("myriad keys agent", nil, "MYRIAD_RUN=other")
	fails("MYRIAD_RUN", nil, "MYRIAD_RUN=")
	fails("MYRIAD_NATS_INBOX", nil, "MYRIAD_NATS_INBOX=")
	fails("MYRIAD_NATS_NKEY", nil, "MYRIAD_NATS_NKEY=")
	fails("MYRIAD_NATS_NKEY", nil, "MYRIAD_NATS_NKEY="+s.dir.CA())
	fails("MYRIAD_NATS_CA: ", nil, "MYRIAD_NATS_CA="+filepath.Join(dir, "none.pem"))
	fails("MYRIAD_NATS_CA", nil, "MYRIAD_NATS_CA=")
	fails("needs a tls:// URL", nil, "MYRIAD_NATS_URL=nats://192.0.2.1:4222", "MYRIAD_NATS_CA=")
	plain := natstest.Start(t)
	fails("no TLS", nil, "MYRIAD_NATS_URL="+plain.URL())

	call{}.run(t, "keys", "agent", string(s.dir), "--run", run, "--host", "js-1", "--remove").ok(t)
	require.Contains(t, alice.fails(t, 1), "error: the server ended the connection")
	require.Zero(t, s.stop(t))
}
