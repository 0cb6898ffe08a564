package keys

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/nats-io/nkeys"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Account is the NATS account of a stack. Another account sees nothing of it.
const Account = "MYRIAD"

// User is one who may connect: the public half of a key, and what it is for.
type User struct {
	Role   Role   `json:"role"`
	Public string `json:"public"`
	Run    string `json:"run,omitempty"`  // of an Agent
	Host   string `json:"host,omitempty"` // of an Agent: the name under which it serves agents
}

// Name says who a user is.
func (u User) Name() string {
	if u.Role == Agent {
		return fmt.Sprintf("agent of run %s, host %s", u.Run, u.Host)
	}
	return string(u.Role)
}

// newUser makes a user and its seed.
func newUser(r Role) (User, []byte, error) {
	pair, err := nkeys.CreateUser()
	if err != nil {
		return User{}, nil, fmt.Errorf("keys: user %s: %w", r, err)
	}
	seed, err := pair.Seed()
	if err != nil {
		return User{}, nil, fmt.Errorf("keys: user %s: %w", r, err)
	}
	public, err := pair.PublicKey()
	if err != nil {
		return User{}, nil, fmt.Errorf("keys: user %s: %w", r, err)
	}
	return User{Role: r, Public: public}, append(seed, '\n'), nil
}

// Users are all who may connect.
func (d Dir) Users() ([]User, error) {
	data, err := os.ReadFile(d.users())
	if err != nil {
		return nil, missing(err)
	}
	var list []User
	if err := json.Unmarshal(data, &list); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrNotKeys, d.users(), err)
	}
	for _, u := range list {
		if !nkeys.IsValidPublicUserKey(u.Public) {
			return nil, fmt.Errorf("%w: %s: user %s has no valid key", ErrNotKeys, d.users(), u.Name())
		}
	}
	return list, nil
}

// complete saves a list with a new user for each of Roles that it has none of.
func (d Dir) complete(list []User) error {
	for _, r := range Roles {
		if slices.ContainsFunc(list, func(u User) bool { return u.Role == r }) {
			continue
		}
		u, seed, err := newUser(r)
		if err != nil {
			return err
		}
		if err := write(d.Seed(r), seed); err != nil {
			return err
		}
		list = append(list, u)
	}
	return d.save(list)
}

// save writes the list of users and the permissions that follow from it.
func (d Dir) save(list []User) error {
	data, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	return errors.Join(write(d.users(), append(data, '\n')), write(d.Auth(), Config(list)))
}

// Config is the part of a nats-server's configuration that lets users in, and each to what it may do.
func Config(list []User) []byte {
	var b bytes.Buffer
	fmt.Fprintf(&b, "# Made by \"myriad keys\" from users.json; it is written anew with each user that comes or goes.\naccounts {\n  %s {\n    jetstream: enabled\n    users: [\n", Account)
	for _, u := range list {
		p := u.Allowed()
		fmt.Fprintf(&b, "      # %q\n      { nkey: %s, permissions: {\n        publish: { allow: [%s] }\n        subscribe: { allow: [%s] }\n      } }\n",
			u.Name(), u.Public, quoted(p.Publish), quoted(p.Subscribe))
	}
	b.WriteString("    ]\n  }\n}\n")
	return b.Bytes()
}

// quoted writes patterns, one a line. They hold no quotes: names are encoded.
func quoted(patterns []string) string {
	var b strings.Builder
	for _, p := range patterns {
		fmt.Fprintf(&b, "\n          %q", p)
	}
	return b.String()
}

// maxName bounds the names of runs and hosts, in bytes.
const maxName = 100

// AddAgent makes a user that serves agents of one run under the name of a host, writes its seed into the directory agents,
// and returns both. A name of a host is given once: its signs of life are of no run. Errors: ErrBad, ErrExists, ErrNotKeys, or
// the file system's.
func (d Dir) AddAgent(run, host string) (User, string, error) {
	for what, name := range map[string]string{"run": run, "host": host} {
		if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			return User{}, "", fmt.Errorf("%w: the name of a %s has 1 to %d bytes and no control characters, not %.120q", ErrBad, what, maxName, name)
		}
	}
	list, err := d.Users()
	if err != nil {
		return User{}, "", err
	}
	if i := slices.IndexFunc(list, func(u User) bool { return u.Role == Agent && u.Host == host }); i >= 0 {
		return User{}, "", fmt.Errorf("%w: host %s is that of run %s; remove it with --remove, or choose another name", ErrExists, host, list[i].Run)
	}
	u, seed, err := newUser(Agent)
	if err != nil {
		return User{}, "", err
	}
	u.Run, u.Host = run, host
	if err := os.MkdirAll(d.file("agents"), 0o700); err != nil {
		return User{}, "", fmt.Errorf("keys: %w", err)
	}
	file := d.agentSeed(host)
	if err := write(file, seed); err != nil {
		return User{}, "", err
	}
	return u, file, d.save(append(list, u))
}

// RemoveAgent takes the user of an outside agent away. Errors: ErrUnknown, ErrNotKeys, or the file system's.
func (d Dir) RemoveAgent(run, host string) error {
	list, err := d.Users()
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(slices.Clone(list), func(u User) bool { return u.Role == Agent && u.Run == run && u.Host == host })
	if len(left) == len(list) {
		return fmt.Errorf("%w: agent of run %s, host %s; \"myriad keys show\" lists them", ErrUnknown, run, host)
	}
	if err := d.save(left); err != nil {
		return err
	}
	if err := os.Remove(d.agentSeed(host)); err != nil && !errors.Is(err, os.ErrNotExist) { // it may have been moved to where it is used
		return fmt.Errorf("keys: %w", err)
	}
	return nil
}

func (d Dir) agentSeed(host string) string { return d.file("agents", subjects.Encode(host)+".nk") }
