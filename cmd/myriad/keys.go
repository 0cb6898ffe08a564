package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/myriad-sim/myriad/internal/bus"
	"github.com/myriad-sim/myriad/internal/keys"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// keysCmd makes and shows the keys of a stack off loopback.
type keysCmd struct {
	Init  keysInitCmd  `cmd:"" help:"Make an authority, certificates, a user for each service and their permissions."`
	Agent keysAgentCmd `cmd:"" help:"Make a user for a program of yours that serves agents of one run."`
	Show  keysShowCmd  `cmd:"" help:"Say what is in a directory of keys and when it expires."`
	Renew keysRenewCmd `cmd:"" help:"Give the servers new certificates of the same authority."`
}

// Help is shown by --help.
func (keysCmd) Help() string {
	return `Off loopback Myriad wants TLS and users. All of it comes from one directory:

Examples:
  myriad keys init keys --host sim.example.org --host 10.0.0.5
  myriad up --keys keys --nats 0.0.0.0:4222 --http 0.0.0.0:8080

docs/security.md says who may do what, and how a cluster uses the same files.`
}

type keysDir struct {
	Dir string `arg:"" help:"Directory of keys." placeholder:"DIR"`
}

type keysInitCmd struct {
	Dir  string   `arg:"" help:"Directory to make; it must not exist." placeholder:"DIR"`
	Host []string `help:"Name or address at which servers are reached; repeat for more. This machine's own are always in." placeholder:"NAME"`
	Days int      `help:"Days until the certificates expire." default:"730"`
}

// Help is shown by --help.
func (keysInitCmd) Help() string {
	return `Examples:
  myriad keys init keys
  myriad keys init keys --host nats-1 --host nats-2 --host nats-3 --host sim.example.org --days 365`
}

// Run makes the directory.
func (c *keysInitCmd) Run(a *app) error {
	d, err := keys.Init(c.Dir, c.Host, c.Days)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "Keys are in %s; keep them secret, and %s away from the servers.\n\n", c.Dir, d.CAKey())
	return describe(a, d)
}

type keysShowCmd struct{ keysDir }

// Help is shown by --help.
func (keysShowCmd) Help() string { return "Example:\n  myriad keys show keys" }

// Run shows the directory.
func (c *keysShowCmd) Run(a *app) error { return describe(a, keys.Dir(c.Dir)) }

// describe prints certificates and users. It prints no secret.
func describe(a *app, d keys.Dir) error {
	certs, err := d.Certificates()
	if err != nil {
		return err
	}
	users, err := d.Users()
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(a.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "CERTIFICATE\tFILE\tEXPIRES\tVALID FOR")
	for _, c := range certs {
		left := fmt.Sprintf("%s (%d days)", c.NotAfter.Format(time.DateOnly), int(time.Until(c.NotAfter).Hours()/24))
		if time.Now().After(c.NotAfter) {
			left = c.NotAfter.Format(time.DateOnly) + " EXPIRED"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", c.What, c.File, left, strings.Join(c.Hosts, ", "))
	}
	fmt.Fprintln(w, "\nUSER\tKEY\tINBOXES")
	for _, u := range users {
		fmt.Fprintf(w, "%s\t%s\t%s\n", u.Name(), u.Public, bus.InboxPrefix(u.Public))
	}
	return w.Flush()
}

type keysAgentCmd struct {
	keysDir
	ForRun string `name:"run" help:"The one run whose agents it serves." required:"" placeholder:"RUN"`
	Host   string `help:"Name under which it serves them: part of their addresses. No other program has it." required:"" placeholder:"ID"`
	Remove bool   `help:"Take the user away instead."`
}

// Help is shown by --help.
func (keysAgentCmd) Help() string {
	return `The user sees that one run: requests to its own agents, and agents, environments and hubs that it asks. It sees no log.
Servers read the new list by themselves with "myriad up --keys"; a nats-server of yours is told with "nats-server --signal reload".

Examples:
  myriad keys agent keys --run guess-k7q2m4xa --host js-1
  myriad keys agent keys --run guess-k7q2m4xa --host js-1 --remove`
}

// Run makes the user, or takes it away.
func (c *keysAgentCmd) Run(a *app) error {
	d := keys.Dir(c.Dir)
	if c.Remove {
		if err := d.RemoveAgent(c.ForRun, c.Host); err != nil {
			return err
		}
		fmt.Fprintf(a.out, "%s may not connect any more, once the servers have read %s.\n", keys.User{Role: keys.Agent, Run: c.ForRun, Host: c.Host}.Name(), d.Auth())
		return nil
	}
	u, seed, err := d.AddAgent(c.ForRun, c.Host)
	if err != nil {
		return err
	}
	ca, err := filepath.Abs(d.CA())
	if err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	if seed, err = filepath.Abs(seed); err != nil {
		return fmt.Errorf("keys: %w", err)
	}
	fmt.Fprintf(a.out, `# For the %s. Put the address of your server into MYRIAD_NATS_URL.
export MYRIAD_NATS_URL=tls://127.0.0.1:4222
export MYRIAD_NATS_CA=%s
export MYRIAD_NATS_NKEY=%s
# Programs that do not use Myriad's own client set this as the prefix of their inboxes:
export MYRIAD_NATS_INBOX=%s
# The one run that it sees. It subscribes to %s:
export MYRIAD_RUN=%s
`, u.Name(), quoted(ca), quoted(seed), bus.InboxPrefix(u.Public), subjects.OfRun(u.Run, "code."+subjects.Encode(u.Host)+".*.*"), quoted(u.Run))
	return nil
}

// quoted is a text as one word of a shell.
func quoted(text string) string {
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-+./:@%,") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}

type keysRenewCmd struct {
	keysDir
	Host []string `help:"Name or address at which servers are reached; repeat for more. Without it they stay as they are." placeholder:"NAME"`
	Days int      `help:"Days until the certificates expire." default:"730"`
}

// Help is shown by --help.
func (keysRenewCmd) Help() string {
	return `Users and the token stay; users and permissions that a newer version of Myriad has come in. "myriad up" and a coordinator take the new certificates by themselves; a nats-server of
yours is told with "nats-server --signal reload".

Examples:
  myriad keys renew keys
  myriad keys renew keys --host new-name.example.org --days 90`
}

// Run renews the certificates.
func (c *keysRenewCmd) Run(a *app) error {
	d := keys.Dir(c.Dir)
	if err := d.Renew(c.Host, c.Days); err != nil {
		return err
	}
	return describe(a, d)
}
