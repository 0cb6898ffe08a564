package modelserver

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// kindOf says what an error status means.
func kindOf(status int, r *route, header http.Header) Kind {
	switch status {
	case http.StatusConflict, http.StatusTooEarly, http.StatusTooManyRequests:
		return Overloaded
	case http.StatusServiceUnavailable:
		if header.Get("Retry-After") != "" {
			return Overloaded
		}
		return Failing
	case http.StatusRequestTimeout:
		return Failing
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return Rejected
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		if r.optional {
			return Lacking
		}
	}
	if status >= 500 {
		return Failing
	}
	return Forbidden
}

// refused makes the error of an error status. Body is the beginning of what came with it.
func (s *Server) refused(r *route, status int, header http.Header, body []byte) *Error {
	e := &Error{Kind: kindOf(status, r, header), Status: status, After: retryAfter(header, time.Now())}
	why := message(body)
	if why == "" {
		why = string(body)
	}
	if strings.TrimSpace(strings.ToValidUTF8(why, "")) == "" {
		why = http.StatusText(status)
	}
	switch {
	case status < 400:
		why = "redirects are not followed; name the server's own URL"
	case s.key == "" && (status == http.StatusUnauthorized || status == http.StatusForbidden):
		why = "no key was sent (see api_key_env and MYRIAD_LLMPROXY_KEY_HOSTS): " + why
	}
	e.Text = s.line(fmt.Sprintf("HTTP %d: %s", status, why))
	return e
}

// line makes an error text of one line: what happened, with whom. A server may repeat the key that it got, so that is
// removed, and before the text is cut, so that no half of it is left. Words shorter than a key ("none") are not.
func (s *Server) line(why string) string {
	const most, dots = 400, "…"
	why = strings.Join(strings.Fields(strings.ToValidUTF8(why, "")), " ")
	if len(s.key) >= 6 {
		why = strings.ReplaceAll(why, s.key, "[key]")
	}
	text := s.host + ": " + why
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-len(dots)], "") + dots
}

// retryAfter reads how long a server asks to wait: milliseconds in the header that OpenAI and Azure send, else seconds or
// a date. 0 when it does not, or when that is over.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if v := h.Get("Retry-After-Ms"); v != "" {
		if ms, err := strconv.ParseFloat(v, 64); err == nil {
			return duration(ms, time.Millisecond)
		}
	}
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		return duration(s, time.Second)
	}
	if t, err := http.ParseTime(v); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

// duration is n units of time, within what a sender can mean.
func duration(n float64, unit time.Duration) time.Duration {
	if !(n > 0) {
		return 0
	}
	return time.Duration(min(n, math.MaxInt32) * float64(unit))
}
