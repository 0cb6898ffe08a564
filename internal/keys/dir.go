package keys

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
)

// DefaultDays is how long certificates are valid unless told otherwise: two years.
const DefaultDays = 730

// maxDays bounds how long certificates are valid.
const maxDays = 36500

// tokenBytes are the random bytes of the bearer token.
const tokenBytes = 32

var (
	maxSerial = new(big.Int).Lsh(big.NewInt(1), 127)
	hostName  = regexp.MustCompile(`^(\*\.)?[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)*$`)
)

// Dir is a directory of keys. The zero value is none.
type Dir string

// CA is the certificate of the authority; every client needs it.
func (d Dir) CA() string { return d.file("ca.pem") }

// CAKey is the key of the authority. Only Renew needs it, so it can be kept elsewhere.
func (d Dir) CAKey() string { return d.file("ca-key.pem") }

// Auth is the part of a nats-server's configuration with accounts, users and permissions.
func (d Dir) Auth() string { return d.file("nats", "auth.conf") }

// NATSCert and NATSKey are the certificate of NATS servers, for clients and for routes.
func (d Dir) NATSCert() string { return d.file("nats", "server.pem") }

// NATSKey is the key of NATSCert.
func (d Dir) NATSKey() string { return d.file("nats", "server-key.pem") }

// HTTPCert is the certificate of the HTTP API.
func (d Dir) HTTPCert() string { return d.file("http", "server.pem") }

// HTTPKey is the key of HTTPCert.
func (d Dir) HTTPKey() string { return d.file("http", "server-key.pem") }

// HTTPToken is the bearer token of the HTTP API.
func (d Dir) HTTPToken() string { return d.file("http", "token") }

// Seed is the seed of the user of a role.
func (d Dir) Seed(r Role) string { return d.file("services", string(r)+".nk") }

func (d Dir) users() string { return d.file("nats", "users.json") }

func (d Dir) file(parts ...string) string {
	return filepath.Join(append([]string{string(d)}, parts...)...)
}

// Init makes a directory with everything a stack off loopback needs. Certificates are valid for some days, for the given names
// and addresses and for this machine. It leaves nothing behind if it fails. Errors: ErrExists, ErrBad, or the file system's.
func Init(dir string, hosts []string, days int) (Dir, error) {
	all, err := names(hosts)
	if err != nil {
		return "", err
	}
	if err := checkDays(days); err != nil {
		return "", err
	}
	if _, err := os.Lstat(dir); err == nil {
		return "", fmt.Errorf("%w: %s; keys are never overwritten: choose another directory, or renew its certificates with \"myriad keys renew\"",
			ErrExists, dir)
	} else if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("keys: %w", err)
	}
	part := Dir(filepath.Clean(dir) + ".part")
	if err := os.MkdirAll(filepath.Dir(string(part)), 0o755); err != nil { //nolint:gosec // the parents are the user's own
		return "", fmt.Errorf("keys: %w", err)
	}
	if err := os.Mkdir(string(part), 0o700); err != nil {
		return "", fmt.Errorf("keys: %w; an earlier attempt may have left it", err)
	}
	if err := errors.Join(part.fill(all, days)); err != nil {
		return "", errors.Join(err, os.RemoveAll(string(part)))
	}
	if err := os.Rename(string(part), dir); err != nil {
		return "", errors.Join(fmt.Errorf("keys: %w", err), os.RemoveAll(string(part)))
	}
	return Dir(dir), nil
}

func (d Dir) fill(hosts []string, days int) error {
	for _, sub := range []string{"nats", "services", "http"} {
		if err := os.Mkdir(d.file(sub), 0o700); err != nil {
			return fmt.Errorf("keys: %w", err)
		}
	}
	ca, err := newAuthority(days)
	if err != nil {
		return err
	}
	key, err := keyPEM(ca.key)
	if err != nil {
		return err
	}
	if err := errors.Join(write(d.CA(), certPEM(ca.cert.Raw)), write(d.CAKey(), key), d.certify(ca, hosts, days)); err != nil {
		return err
	}
	random := make([]byte, tokenBytes)
	_, _ = rand.Read(random) // never fails
	if err := write(d.HTTPToken(), []byte(base64.RawURLEncoding.EncodeToString(random)+"\n")); err != nil {
		return err
	}
	return d.complete(nil)
}

// certify writes the certificates of the servers.
func (d Dir) certify(ca *authority, hosts []string, days int) error {
	for _, s := range []struct{ name, cert, key string }{
		{"Myriad NATS", d.NATSCert(), d.NATSKey()}, {"Myriad HTTP", d.HTTPCert(), d.HTTPKey()},
	} {
		cert, key, err := ca.issue(s.name, hosts, days)
		if err != nil {
			return err
		}
		// The key first: a server that reads between the two finds a pair that does not fit, and keeps what it has.
		if err := errors.Join(write(s.key, key), write(s.cert, cert)); err != nil {
			return err
		}
	}
	return nil
}

// Renew gives the servers new keys and certificates of the same authority, valid for some days but not longer than the
// authority is. Without hosts they are valid for the same names as before. Users and the token stay; users that a newer version
// has come in, and all get the permissions of this version. Errors: ErrNotKeys, ErrBad, or the file system's.
func (d Dir) Renew(hosts []string, days int) error {
	if err := checkDays(days); err != nil {
		return err
	}
	ca, err := readAuthority(d.CA(), d.CAKey())
	if err != nil {
		return err
	}
	if len(hosts) == 0 {
		old, err := readCert(d.NATSCert())
		if err != nil {
			return err
		}
		hosts = certNames(old)
	}
	all, err := names(hosts)
	if err != nil {
		return err
	}
	list, err := d.Users()
	if err != nil {
		return err
	}
	return errors.Join(d.certify(ca, all, days), d.complete(list))
}

func checkDays(days int) error {
	if days < 1 || days > maxDays {
		return fmt.Errorf("%w: %d days; give 1 to %d", ErrBad, days, maxDays)
	}
	return nil
}

// write replaces a file as a whole, so that a reader never finds half of one.
func write(file string, data []byte) error {
	part := file + ".part"
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600) //nolint:gosec // the user names the directory
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(part, file)
	}
	if err != nil {
		return fmt.Errorf("keys: %w", errors.Join(err, os.Remove(part)))
	}
	return nil
}

// missing says of a file that is not there what is wrong.
func missing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w; make one with \"myriad keys init DIR\"", ErrNotKeys, err)
	}
	return fmt.Errorf("keys: %w", err)
}
