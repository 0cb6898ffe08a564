package llmproxy

import (
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
)

// defaultKeyEnv holds the key of models that name no variable.
const defaultKeyEnv = "OPENAI_API_KEY"

var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// keyring decides which host may get which key. A scenario names both its endpoints and its variable, and a scenario is
// input: without a binding made by whoever runs the proxy, any variable of its environment could be sent anywhere.
type keyring map[string][]string // host or host:port -> names of variables

func newKeyring(bindings []string) (keyring, error) {
	k := keyring{}
	for _, b := range bindings {
		b = strings.TrimSpace(b)
		if b == "" {
			continue
		}
		host, name, ok := strings.Cut(b, "=")
		if !ok || host == "" || strings.ContainsAny(host, "/@") || !variableName.MatchString(name) {
			// The entry is not quoted: whoever writes a key in place of a variable's name should not find it in a log.
			return nil, fmt.Errorf("%w: %sKEY_HOSTS: an entry is not host=VARIABLE", ErrConfig, EnvPrefix)
		}
		host = strings.ToLower(host)
		k[host] = append(k[host], name)
	}
	return k, nil
}

// key returns the key to send to u for a model that names the variable, "" for none. It is an error to name a variable
// that is not bound to the host.
func (k keyring) key(u *url.URL, variable string) (string, error) {
	named := variable != ""
	if !named {
		variable = defaultKeyEnv
	}
	bound := slices.Contains(k[strings.ToLower(u.Host)], variable) ||
		slices.Contains(k[strings.ToLower(u.Hostname())], variable) ||
		variable == defaultKeyEnv && loopback(u.Hostname())
	if bound {
		return strings.TrimSpace(os.Getenv(variable)), nil
	}
	if named {
		return "", fmt.Errorf("%w: the key in %s is not bound to host %s; whoever runs llmproxy can allow it with %sKEY_HOSTS=%s=%s",
			errModel, variable, u.Host, EnvPrefix, u.Host, variable)
	}
	return "", nil
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// endpointURL checks a base URL that a model names.
func (c Config) endpointURL(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: an endpoint is not a URL", errModel)
	case u.User != nil:
		return nil, fmt.Errorf("%w: endpoint on host %s: a URL must not carry credentials; use api_key_env", errModel, u.Host)
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, fmt.Errorf("%w: endpoint %q is not an http or https URL", errModel, raw)
	case u.RawQuery != "" || u.Fragment != "":
		return nil, fmt.Errorf("%w: endpoint on host %s: a base URL has no query", errModel, u.Host)
	}
	ok := func(entry string) bool {
		entry = strings.TrimSpace(entry)
		return strings.EqualFold(entry, u.Host) || strings.EqualFold(entry, u.Hostname())
	}
	if (c.Strict || len(c.AllowHosts) > 0) && !slices.ContainsFunc(c.AllowHosts, ok) {
		return nil, fmt.Errorf("%w: %w: host %s is not among %sALLOW_HOSTS of the llmproxy, which lists the hosts it may call; "+
			"it has to where the NATS server is not on loopback", errModel, errEndpoint, u.Host, EnvPrefix)
	}
	return u, nil
}
