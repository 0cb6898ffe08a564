package bus_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
)

// secured writes a certificate and the user list of a server, and returns both with a key that it takes.
func secured(t *testing.T) (s *bus.Secure, ca, seed string) {
	t.Helper()
	dir := t.TempDir()
	cert, ca := selfSigned(t, dir)
	der, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	require.NoError(t, err)
	key := filepath.Join(dir, "key.pem")
	require.NoError(t, os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600))
	seed, public := newKey(t, dir, "user")
	auth := filepath.Join(dir, "auth.conf")
	require.NoError(t, os.WriteFile(auth, []byte("accounts { A { jetstream: enabled, users: [{nkey: "+public+"}] } }"), 0o600))
	return &bus.Secure{Auth: auth, Cert: ca, Key: key}, ca, seed
}

func TestOffLoopbackNeedsUsers(t *testing.T) {
	_, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: t.TempDir(), Listen: "0.0.0.0:0", Log: logger(t)})
	require.ErrorIs(t, err, bus.ErrNotLoopback)
	require.ErrorContains(t, err, "--keys")
	sec, ca, seed := secured(t)
	s, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: t.TempDir(), Listen: "0.0.0.0:0", Secure: sec, Log: logger(t)})
	require.NoError(t, err)
	defer s.Stop()
	require.True(t, strings.HasPrefix(s.URL(), "tls://127.0.0.1:"), s.URL())
	cfg := bus.ConnectConfig{URL: s.URL(), CA: ca, NKey: seed}
	nc, err := bus.Connect(t.Context(), cfg, logger(t))
	require.NoError(t, err)
	defer nc.Close()
	require.True(t, strings.HasPrefix(nc.NewInbox(), "_INBOX.U"), "the inboxes of a user have its name")

	cfg.NKey = ""
	_, err = bus.Connect(t.Context(), cfg, logger(t))
	require.ErrorIs(t, err, bus.ErrRefused)
	cfg.URL, cfg.CA, cfg.NKey = strings.Replace(s.URL(), "tls://", "nats://", 1), "", seed
	_, err = bus.Connect(t.Context(), cfg, logger(t))
	require.ErrorIs(t, err, bus.ErrUntrusted, "it speaks TLS, and nothing vouches for it")
}

func TestBadKeysOfAServer(t *testing.T) {
	sec, _, _ := secured(t)
	for _, bad := range []bus.Secure{
		{Auth: sec.Auth + "x", Cert: sec.Cert, Key: sec.Key}, {Auth: sec.Auth, Cert: sec.Cert, Key: sec.Auth}, {Auth: sec.Key, Cert: sec.Cert, Key: sec.Key},
	} {
		_, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: t.TempDir(), Secure: &bad, Log: logger(t)})
		require.ErrorIs(t, err, bus.ErrConfig)
		key, err2 := os.ReadFile(sec.Key)
		require.NoError(t, err2)
		require.NotContains(t, err.Error(), strings.Split(string(key), "\n")[1], "the key is not in the error")
	}
}

// A client that wants TLS, from a server that is the one it means, takes nothing less.
func TestServersThatAreNotTrusted(t *testing.T) {
	dir := t.TempDir()
	cert, ca := selfSigned(t, dir) // for 127.0.0.1 alone
	_, foreign := selfSigned(t, t.TempDir())
	seed, public := newKey(t, dir, "user")
	start := func(c *tls.Config) string {
		ns, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true, TLSConfig: c, Nkeys: []*server.NkeyUser{{Nkey: public}}})
		require.NoError(t, err)
		ns.Start()
		t.Cleanup(func() { ns.Shutdown(); ns.WaitForShutdown() })
		require.True(t, ns.ReadyForConnections(10*time.Second))
		return ns.Addr().String()
	}
	plain := start(nil)
	secure := start(&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
	old := start(&tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}) //nolint:gosec // what must be refused
	_, port, err := net.SplitHostPort(secure)
	require.NoError(t, err)
	for _, c := range []struct {
		name string
		cfg  bus.ConnectConfig
		want error
		says string
	}{
		{"without TLS", bus.ConnectConfig{URL: "tls://" + plain, CA: ca, NKey: seed}, bus.ErrUntrusted, "keys init"},
		{"another authority", bus.ConnectConfig{URL: "tls://" + secure, CA: foreign, NKey: seed}, bus.ErrUntrusted, "MYRIAD_NATS_CA"},
		{"no authority", bus.ConnectConfig{URL: "tls://" + secure, NKey: seed}, bus.ErrUntrusted, "MYRIAD_NATS_CA"},
		{"another name", bus.ConnectConfig{URL: "tls://localhost:" + port, CA: ca, NKey: seed}, bus.ErrUntrusted, "keys renew"},
		{"an old version", bus.ConnectConfig{URL: "tls://" + old, CA: ca, NKey: seed}, bus.ErrUnreachable, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			if c.want == bus.ErrUnreachable { //nolint:errorlint // of the table
				ctx, cancel = context.WithTimeout(t.Context(), 500*time.Millisecond)
				defer cancel()
			}
			_, err := bus.Connect(ctx, c.cfg, logger(t))
			require.ErrorIs(t, err, c.want)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// A renewed certificate is served without a restart; half of one, or a broken list of users, changes nothing.
func TestServersReadAnew(t *testing.T) {
	sec, _, seed := secured(t)
	s, err := bus.StartServer(t.Context(), bus.ServerConfig{DataDir: t.TempDir(), Listen: "127.0.0.1:0", Secure: sec, Log: logger(t)})
	require.NoError(t, err)
	defer s.Stop()
	auth, err := os.ReadFile(sec.Auth)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(sec.Auth, []byte("accounts {"), 0o600))
	next, nextCA, _ := secured(t)
	for from, to := range map[string]string{next.Key: sec.Key, next.Cert: sec.Cert} {
		data, err := os.ReadFile(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, data, 0o600))
	}
	connects := func(ca string) bool {
		nc, err := bus.Connect(t.Context(), bus.ConnectConfig{URL: s.URL(), CA: ca, NKey: seed}, logger(t))
		if err == nil {
			nc.Close()
		}
		return err == nil
	}
	require.False(t, connects(nextCA), "the list of users is broken, so all stays as it was")
	require.NoError(t, os.WriteFile(sec.Auth, auth, 0o600))
	require.Eventually(t, func() bool { return connects(nextCA) }, 20*time.Second, 20*time.Millisecond)
}
