package bus_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nkeys"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/bus"
)

// TestConnectWithTLSAndNKey uses a server that takes one key over TLS only.
func TestConnectWithTLSAndNKey(t *testing.T) {
	dir := t.TempDir()
	cert, ca := selfSigned(t, dir)
	good, public := newKey(t, dir, "good")
	bad, _ := newKey(t, dir, "bad")
	ns, err := server.NewServer(&server.Options{
		Host: "127.0.0.1", Port: server.RANDOM_PORT, NoSigs: true, NoLog: true,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS13},
		Nkeys:     []*server.NkeyUser{{Nkey: public}},
	})
	require.NoError(t, err)
	ns.Start()
	defer ns.WaitForShutdown()
	defer ns.Shutdown()
	require.True(t, ns.ReadyForConnections(10*time.Second))
	cfg := bus.ConnectConfig{URL: "tls://" + ns.Addr().String(), CA: ca, NKey: good}

	nc, err := bus.Connect(t.Context(), cfg, logger(t))
	require.NoError(t, err)
	defer nc.Close()
	_, err = nc.TLSConnectionState()
	require.NoError(t, err, "the connection is encrypted")

	cfg.NKey = bad
	_, err = bus.Connect(t.Context(), cfg, logger(t))
	require.ErrorIs(t, err, bus.ErrRefused)
}

// selfSigned makes a certificate for 127.0.0.1 and writes it as its own authority.
func selfSigned(t *testing.T, dir string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	file := filepath.Join(dir, "ca.pem")
	require.NoError(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, file
}

// newKey writes the seed of a new user key and returns its file and public half.
func newKey(t *testing.T, dir, name string) (file, public string) {
	t.Helper()
	pair, err := nkeys.CreateUser()
	require.NoError(t, err)
	seed, err := pair.Seed()
	require.NoError(t, err)
	public, err = pair.PublicKey()
	require.NoError(t, err)
	file = filepath.Join(dir, name+".nk")
	require.NoError(t, os.WriteFile(file, seed, 0o600))
	return file, public
}
