package keys

import (
	"crypto/x509"
	"fmt"
	"os"
	"time"
)

// Certificate is what one says of itself.
type Certificate struct {
	What     string // for people
	File     string
	Hosts    []string // names and addresses
	NotAfter time.Time
}

// Certificates are those of a directory, the authority first. Errors: ErrNotKeys, or the file system's.
func (d Dir) Certificates() ([]Certificate, error) {
	var out []Certificate
	for _, f := range []struct{ what, file string }{
		{"authority", d.CA()}, {"NATS", d.NATSCert()}, {"HTTP", d.HTTPCert()},
	} {
		cert, err := readCert(f.file)
		if err != nil {
			return nil, err
		}
		out = append(out, Certificate{What: f.what, File: f.file, Hosts: certNames(cert), NotAfter: cert.NotAfter})
	}
	return out, nil
}

// Open checks that a directory has all that a stack needs to start. Errors: ErrNotKeys, or the file system's.
func Open(dir string) (Dir, error) {
	d := Dir(dir)
	for _, f := range []string{d.CA(), d.Auth(), d.NATSCert(), d.NATSKey(), d.HTTPCert(), d.HTTPKey(), d.HTTPToken()} {
		if err := isFile(f); err != nil {
			return "", err
		}
	}
	for _, r := range Roles {
		if err := isFile(d.Seed(r)); err != nil {
			return "", fmt.Errorf("user %s: %w; \"myriad keys renew %s\" adds users that an older version did not have", r, err, dir)
		}
	}
	return d, nil
}

func isFile(name string) error {
	info, err := os.Stat(name)
	if err != nil {
		return missing(err)
	}
	if info.IsDir() {
		return fmt.Errorf("%w: %s is a directory", ErrNotKeys, name)
	}
	return nil
}

func certNames(cert *x509.Certificate) []string {
	all := append([]string{}, cert.DNSNames...)
	for _, ip := range cert.IPAddresses {
		all = append(all, ip.String())
	}
	return all
}
