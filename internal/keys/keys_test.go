package keys_test

import (
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/keys"
)

func made(t testing.TB, hosts ...string) keys.Dir {
	t.Helper()
	d, err := keys.Init(filepath.Join(t.TempDir(), "keys"), hosts, keys.DefaultDays)
	require.NoError(t, err)
	return d
}

func TestInitMakesWhatServicesNeed(t *testing.T) {
	d := made(t, "sim.example.org", "10.0.0.5", "*.nats.example.org")
	opened, err := keys.Open(string(d))
	require.NoError(t, err)
	require.Equal(t, d, opened)
	require.NoError(t, filepath.WalkDir(string(d), func(path string, e fs.DirEntry, err error) error {
		require.NoError(t, err)
		info, err := e.Info()
		require.NoError(t, err)
		want := fs.FileMode(0o600)
		if e.IsDir() {
			want = fs.ModeDir | 0o700
		}
		require.Equal(t, want, info.Mode(), path)
		require.NotContains(t, path, ".part")
		return nil
	}))
	users, err := d.Users()
	require.NoError(t, err)
	require.Len(t, users, len(keys.Roles))
	for i, u := range users {
		require.Equal(t, keys.Roles[i], u.Role)
		seed, err := os.ReadFile(d.Seed(u.Role))
		require.NoError(t, err)
		pair, err := nkeys.FromSeed([]byte(strings.TrimSpace(string(seed))))
		require.NoError(t, err)
		public, err := pair.PublicKey()
		require.NoError(t, err)
		require.Equal(t, u.Public, public)
	}
	token, err := os.ReadFile(d.HTTPToken())
	require.NoError(t, err)
	require.Len(t, strings.TrimSpace(string(token)), 43)
	other, err := os.ReadFile(made(t).HTTPToken())
	require.NoError(t, err)
	require.NotEqual(t, token, other)
}

func TestCertificatesAreForServersAndRoutes(t *testing.T) {
	d := made(t, "sim.example.org", "10.0.0.5")
	pool := x509.NewCertPool()
	ca, err := os.ReadFile(d.CA())
	require.NoError(t, err)
	require.True(t, pool.AppendCertsFromPEM(ca))
	foreign := x509.NewCertPool()
	other, err := os.ReadFile(made(t).CA())
	require.NoError(t, err)
	require.True(t, foreign.AppendCertsFromPEM(other))
	for _, file := range []string{d.NATSCert(), d.HTTPCert()} {
		cert := certificate(t, file)
		for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			for _, name := range []string{"sim.example.org", "10.0.0.5", "localhost", "127.0.0.1", "::1"} {
				_, err := cert.Verify(x509.VerifyOptions{DNSName: name, Roots: pool, KeyUsages: []x509.ExtKeyUsage{use}})
				require.NoError(t, err, name)
			}
		}
		_, err := cert.Verify(x509.VerifyOptions{DNSName: "evil.example", Roots: pool})
		require.Error(t, err)
		_, err = cert.Verify(x509.VerifyOptions{DNSName: "localhost", Roots: foreign})
		require.Error(t, err, "another authority")
		require.WithinDuration(t, time.Now().AddDate(0, 0, keys.DefaultDays), cert.NotAfter, time.Minute)
		require.False(t, cert.IsCA)
	}
}

func certificate(t testing.TB, file string) *x509.Certificate {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	block, _ := pem.Decode(data)
	require.NotNil(t, block)
	cert, err := x509.ParseCertificate(block.Bytes)
	require.NoError(t, err)
	return cert
}

func TestInitOverwritesNothing(t *testing.T) {
	d := made(t)
	before, err := os.ReadFile(d.Auth())
	require.NoError(t, err)
	_, err = keys.Init(string(d), nil, 1)
	require.ErrorIs(t, err, keys.ErrExists)
	require.ErrorContains(t, err, "keys renew")
	after, err := os.ReadFile(d.Auth())
	require.NoError(t, err)
	require.Equal(t, before, after)
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = keys.Init(file, nil, 1)
	require.ErrorIs(t, err, keys.ErrExists)
}

func TestInitRefusesAndLeavesNothing(t *testing.T) {
	for _, host := range []string{"", "https://a.example", "a:4222", "a b", "-a", "a..b", "a/b", "é", "*", "[::1]"} {
		dir := filepath.Join(t.TempDir(), "keys")
		_, err := keys.Init(dir, []string{host}, 1)
		require.ErrorIs(t, err, keys.ErrBad, host)
		left, err := os.ReadDir(filepath.Dir(dir))
		require.NoError(t, err)
		require.Empty(t, left)
	}
	for _, days := range []int{0, -1, 1 << 20} {
		_, err := keys.Init(filepath.Join(t.TempDir(), "keys"), nil, days)
		require.ErrorIs(t, err, keys.ErrBad)
	}
}

func TestRenewKeepsUsersAndNames(t *testing.T) {
	d := made(t, "sim.example.org")
	before, users := certificate(t, d.NATSCert()), file(t, d.Auth())
	require.NoError(t, d.Renew(nil, 10))
	after := certificate(t, d.NATSCert())
	require.NotEqual(t, before.PublicKey, after.PublicKey)
	require.Equal(t, before.DNSNames, after.DNSNames)
	require.NoError(t, after.VerifyHostname("sim.example.org"))
	require.WithinDuration(t, time.Now().AddDate(0, 0, 10), after.NotAfter, time.Minute)
	require.NoError(t, after.CheckSignatureFrom(certificate(t, d.CA())))
	require.Equal(t, users, file(t, d.Auth()))
	require.NoError(t, d.Renew([]string{"new.example.org"}, 10000))
	after = certificate(t, d.HTTPCert())
	require.NoError(t, after.VerifyHostname("new.example.org"))
	require.Error(t, after.VerifyHostname("sim.example.org"))
	require.Equal(t, certificate(t, d.CA()).NotAfter, after.NotAfter, "no longer than its authority")
	forget(t, d, keys.Process)
	_, err := keys.Open(string(d))
	require.ErrorIs(t, err, keys.ErrNotKeys)
	require.ErrorContains(t, err, "keys renew")
	require.NoError(t, d.Renew(nil, 10))
	_, err = keys.Open(string(d))
	require.NoError(t, err)
	again := file(t, d.Auth())
	require.NotEqual(t, users, again)
	require.Equal(t, strings.Count(users, "nkey:"), strings.Count(again, "nkey:"), "the others are as they were")
	require.NoError(t, os.Remove(d.CAKey()))
	require.ErrorIs(t, d.Renew(nil, 10), keys.ErrNotKeys)
	require.ErrorIs(t, keys.Dir(t.TempDir()).Renew(nil, 10), keys.ErrNotKeys)
}

// forget makes a directory as a version wrote it that had no such role.
func forget(t testing.TB, d keys.Dir, r keys.Role) {
	t.Helper()
	list, err := d.Users()
	require.NoError(t, err)
	list = slices.DeleteFunc(list, func(u keys.User) bool { return u.Role == r })
	data, err := json.Marshal(list)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(string(d), "nats", "users.json"), data, 0o600))
	require.NoError(t, os.WriteFile(d.Auth(), keys.Config(list), 0o600))
	require.NoError(t, os.Remove(d.Seed(r)))
}

func file(t testing.TB, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	require.NoError(t, err)
	return string(data)
}

func TestAgentsComeAndGo(t *testing.T) {
	d := made(t)
	before := file(t, d.Auth())
	u, seed, err := d.AddAgent("run one", "js.1")
	require.NoError(t, err)
	info, err := os.Stat(seed)
	require.NoError(t, err)
	require.Equal(t, fs.FileMode(0o600), info.Mode())
	require.Contains(t, file(t, d.Auth()), u.Public)
	require.Contains(t, file(t, d.Auth()), "myriad.run.run=20one.code.js=2E1.*.*")
	_, _, err = d.AddAgent("another", "js.1")
	require.ErrorIs(t, err, keys.ErrExists, "its signs of life are of no run")
	_, _, err = d.AddAgent("run one", "js-2")
	require.NoError(t, err)
	require.ErrorIs(t, d.RemoveAgent("another", "js.1"), keys.ErrUnknown)
	require.NoError(t, d.RemoveAgent("run one", "js.1"))
	require.NoFileExists(t, seed)
	require.NotContains(t, file(t, d.Auth()), u.Public)
	require.NoError(t, d.RemoveAgent("run one", "js-2"))
	require.Equal(t, before, file(t, d.Auth()))
	for _, bad := range [][2]string{{"", "h"}, {"r", ""}, {"r\n", "h"}, {"r", strings.Repeat("h", 101)}} {
		_, _, err := d.AddAgent(bad[0], bad[1])
		require.ErrorIs(t, err, keys.ErrBad)
	}
}

// Whatever a run and a host are called, nats-server reads the file, and finds in it the users and nothing more.
func TestNamesDoNotBreakOut(t *testing.T) {
	d := made(t)
	users, err := d.Users()
	require.NoError(t, err)
	conf := filepath.Join(t.TempDir(), "auth.conf")
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(rapid.StringN(1, 30, 100), rapid.SampledFrom([]string{">", "*", `"]}`, "a b", "$SYS", "include", "#", "'"}))
		agent := keys.User{Role: keys.Agent, Public: users[0].Public, Run: name.Draw(t, "run"), Host: name.Draw(t, "host")}
		agent.Run, agent.Host = strings.ReplaceAll(agent.Run, "\n", " "), strings.ReplaceAll(agent.Host, "\n", " ")
		require.NoError(t, os.WriteFile(conf, keys.Config([]keys.User{agent}), 0o600))
		opts, err := server.ProcessConfigFile(conf)
		require.NoError(t, err)
		require.Len(t, opts.Nkeys, 1)
		require.Len(t, opts.Accounts, 1)
		require.ElementsMatch(t, agent.Allowed().Publish, opts.Nkeys[0].Permissions.Publish.Allow)
		require.ElementsMatch(t, agent.Allowed().Subscribe, opts.Nkeys[0].Permissions.Subscribe.Allow)
		require.Nil(t, opts.Nkeys[0].Permissions.Response)
		for _, s := range append(agent.Allowed().Publish, agent.Allowed().Subscribe...) {
			require.NotContains(t, s, "JS", "an outside agent has no JetStream")
			require.True(t, server.IsValidSubject(s), s)
		}
	})
}

func TestOpenSaysWhatIsMissing(t *testing.T) {
	_, err := keys.Open(t.TempDir())
	require.ErrorIs(t, err, keys.ErrNotKeys)
	require.ErrorContains(t, err, "keys init")
	d := made(t)
	require.NoError(t, os.Remove(d.Seed(keys.Bgen)))
	_, err = keys.Open(string(d))
	require.ErrorContains(t, err, "bgen.nk")
	require.NoError(t, os.WriteFile(string(d)+"/nats/users.json", []byte(`[{"role":"cli","public":"UBAD\"]"}]`), 0o600))
	_, err = d.Users()
	require.ErrorIs(t, err, keys.ErrNotKeys)
}
