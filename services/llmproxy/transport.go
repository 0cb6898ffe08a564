package llmproxy

import (
	"net"
	"net/http"
	"time"
)

// maxResponse bounds what is read of a response, in bytes: a server is not trusted to end.
const maxResponse = 32 << 20

// newHTTPClient makes the client for all model servers. Its limits of connections are above what Concurrency allows, so
// that a warm connection is kept for every call in flight. Time limits are those of the attempts.
func newHTTPClient() *http.Client {
	return &http.Client{
		Transport: boundedTransport{&http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			DialContext:           (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
			ForceAttemptHTTP2:     true,
			MaxIdleConnsPerHost:   4096,
			IdleConnTimeout:       90 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
		}},
		// A redirect could carry prompts, and on some hosts the key, to where nobody allowed them.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

type boundedTransport struct{ *http.Transport }

// RoundTrip implements http.RoundTripper.
func (t boundedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := t.Transport.RoundTrip(r)
	if resp != nil && resp.Body != nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxResponse)
	}
	return resp, err
}
