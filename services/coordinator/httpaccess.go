package coordinator

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
)

// ErrAccess: what guards the HTTP API is missing or cannot be used.
var ErrAccess = errors.New("coordinator: bad guard of the HTTP API")

const (
	cookieName = "__Host-myriad" // browsers take one of this name from this server alone, over TLS
	tokenLeast = 20              // characters of a token
	tokenMost  = 1 << 10         // bytes of what is sent in its place
)

// access decides who may use the HTTP API: under which names, and with which token.
type access struct {
	hosts  func() []string // besides those of loopback
	guard  bool            // a token is needed
	token  [sha256.Size]byte
	cookie string
}

// newAccess reads the token. certified are the names of the certificate, asked at each request.
func newAccess(cfg Config, certified func() []string) (*access, error) {
	a := &access{hosts: func() []string { return append(certified(), cfg.HTTPHosts...) }}
	if cfg.HTTPToken == "" {
		return a, nil
	}
	data, err := os.ReadFile(cfg.HTTPToken)
	if err != nil {
		return nil, fmt.Errorf("%w: MYRIAD_COORDINATOR_HTTP_TOKEN: %w", ErrAccess, err)
	}
	token := strings.TrimSpace(string(data))
	if len(token) < tokenLeast {
		return nil, fmt.Errorf("%w: the token in %s has less than %d characters; \"myriad keys init\" makes one", ErrAccess, cfg.HTTPToken, tokenLeast)
	}
	a.guard, a.token = true, sha256.Sum256([]byte(token))
	// A browser keeps what follows from the token, not the token.
	session := sha256.Sum256([]byte("myriad session " + token))
	a.cookie = hex.EncodeToString(session[:])
	return a, nil
}

// named reports whether a request may call this server by that name. It is the defence against DNS rebinding: a foreign
// name that resolves to this machine is refused.
func (a *access) named(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	if loopback(host) {
		return true
	}
	for _, name := range a.hosts() {
		if name = strings.TrimSpace(name); name != "" && strings.EqualFold(host, strings.Trim(name, "[]")) {
			return true
		}
	}
	return false
}

// holds reports whether a request has the token, in a header or as what a browser was given for it. It takes the same time
// for every wrong one.
func (a *access) holds(r *http.Request) bool {
	if !a.guard {
		return true
	}
	scheme, given, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if strings.EqualFold(scheme, "Bearer") && a.is(strings.TrimSpace(given)) {
		return true
	}
	c, err := r.Cookie(cookieName)
	return err == nil && subtle.ConstantTimeCompare([]byte(c.Value), []byte(a.cookie)) == 1
}

func (a *access) is(token string) bool {
	sum := sha256.Sum256([]byte(token))
	return subtle.ConstantTimeCompare(sum[:], a.token[:]) == 1
}

// open reports whether a request is for something everybody may have: the sign of life, the pages without what they show,
// the description of the API, and the place to give the token.
func open(r *http.Request) bool {
	switch r.URL.Path {
	case "/healthz", "/", "/docs", "/openapi.json", "/openapi.yaml":
		return r.Method == http.MethodGet || r.Method == http.MethodHead
	case pathLogin:
		return true
	}
	return strings.HasPrefix(r.URL.Path, "/web/")
}

// unauthorized asks for the token.
func (v *server) unauthorized(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("WWW-Authenticate", `Bearer realm="myriad"`)
	v.write(w, r, newProblem(http.StatusUnauthorized, codeUnauthorized,
		"this needs the token of the stack: send the header Authorization: Bearer TOKEN, or give it on the page"))
}

const pathLogin = "/login"

// login gives a browser a cookie for the token, so that links and event streams work, to which no header can be added.
// Pages of other sites cannot use it: it is not sent for them.
func (v *server) login(w http.ResponseWriter, r *http.Request) {
	given, err := io.ReadAll(http.MaxBytesReader(w, r.Body, tokenMost))
	if err != nil || !v.access.is(strings.TrimSpace(string(given))) {
		v.unauthorized(w, r)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: v.access.cookie, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode,
	})
	w.WriteHeader(http.StatusNoContent)
}
