package monitor

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 4 << 10

// Ask sends a GET to a URL, of a monitor or of any server that answers probes over HTTP, and returns what it said. ctx bounds
// it. Error: ErrUnwell, if it cannot be reached or answers with a status other than 200; the text is then part of the error.
func Ask(ctx context.Context, url string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnwell, err)
	}
	transport := &http.Transport{DisableKeepAlives: true} // no proxy of the environment: what is asked is near
	resp, err := (&http.Client{Transport: transport}).Do(req)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrUnwell, err)
	}
	defer func() { _ = resp.Body.Close() }() // read to its end, or not wanted
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	text := strings.TrimSpace(string(body))
	switch {
	case err != nil:
		return "", fmt.Errorf("%w: %s: %w", ErrUnwell, url, err)
	case resp.StatusCode != http.StatusOK:
		return "", fmt.Errorf("%w: %s answered %s: %s", ErrUnwell, url, resp.Status, text)
	}
	return text, nil
}

// URL is where to ask the monitor of a process of this machine that listens on addr, such as ":9464", for a path.
func URL(addr, path string) string {
	if host, port, ok := cutPort(addr); ok && (host == "" || host == "0.0.0.0" || host == "[::]") {
		addr = "127.0.0.1:" + port
	}
	return "http://" + addr + path
}

func cutPort(addr string) (host, port string, ok bool) {
	at := strings.LastIndexByte(addr, ':')
	if at < 0 {
		return "", "", false
	}
	return addr[:at], addr[at+1:], true
}
