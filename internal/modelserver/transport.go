package modelserver

import (
	"net"
	"net/http"
	"time"
)

// NewHTTPClient makes a client for any number of model servers: it keeps a warm connection for each of up to 16,384
// calls in flight at a server, and follows no redirects. It has no time limits besides those of making a connection;
// those of a call are its context's. Who made it closes its idle connections at the end.
func NewHTTPClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			Proxy:             http.ProxyFromEnvironment,
			DialContext:       (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2: true,
			// A connection that carries hundreds of calls and died in silence is found out before their time limits.
			HTTP2:               &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
			MaxIdleConnsPerHost: 16384,
			// uvicorn, which vLLM runs on, closes a connection after 5 idle seconds. A request that is sent just then is
			// lost, so we close first.
			IdleConnTimeout:       4 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
		},
		// A redirect could carry prompts, and on some hosts the key, to where nobody allowed them.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}
