package fakevllm

import (
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"
)

// failEarly plays faults that come instead of an answer. It is true when the request is over.
func (j *job) failEarly(w http.ResponseWriter, r *http.Request) (bool, error) {
	var fail *refusal
	switch j.fault {
	case TooMany, TooManyAfter:
		fail = plainRefusal(http.StatusTooManyRequests, "Too Many Requests", "Too many requests, please slow down.")
	case Unavailable, UnavailAfter:
		fail = plainRefusal(http.StatusServiceUnavailable, "Service Unavailable", "The server is overloaded, try again later.")
	case Internal:
		fail = plainRefusal(http.StatusInternalServerError, "InternalServerError", "EngineCore encountered an issue. See stack trace (above) for the root cause.")
	case TooLarge:
		fail = plainRefusal(http.StatusRequestEntityTooLarge, "Request Entity Too Large", "Request body too large")
	case ContextLen:
		limit := j.s.opts.MaxModelLen
		fail = tooLong(limit, limit, max(1, j.req.maxTokens))
	case Hang:
		select {
		case <-r.Context().Done():
		case <-j.s.closed:
		}
		return true, errGone
	default:
		return false, nil
	}
	if j.fault == TooManyAfter || j.fault == UnavailAfter {
		w.Header().Set("Retry-After", seconds(j.after))
	}
	fail.write(w)
	return true, nil
}

// send writes a response with status 200, broken as the request's fault says.
func (j *job) send(w http.ResponseWriter, r *http.Request, body []byte) error {
	switch j.fault {
	case Malformed:
		writeBody(w, http.StatusOK, body[:len(body)/2])
	case Reset:
		return resetMidBody(w, body)
	case Slow:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(http.StatusOK)
		return j.drip(w, r, body)
	default:
		writeBody(w, http.StatusOK, body)
		j.s.tally.completions.Add(uint64(len(j.answers)))
	}
	return nil
}

// drip writes a byte at a time.
func (j *job) drip(w http.ResponseWriter, r *http.Request, body []byte) error {
	ticker := time.NewTicker(j.pace)
	defer ticker.Stop()
	flush := http.NewResponseController(w)
	for i := range body {
		if _, err := w.Write(body[i : i+1]); err != nil {
			return errGone
		}
		if err := flush.Flush(); err != nil {
			return errGone
		}
		select {
		case <-ticker.C:
		case <-r.Context().Done():
			return errGone
		case <-j.s.closed:
			return errGone
		}
	}
	return nil
}

// resetMidBody announces a whole body, sends half of it and resets the connection. Where the connection cannot be had,
// net/http closes it because the body ended too early.
func resetMidBody(w http.ResponseWriter, body []byte) error {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, err = w.Write(body[:len(body)/2])
		return err
	}
	_, err = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		len(body), body[:len(body)/2])
	reset(conn)
	return err
}

// reset closes a connection so that its other side sees a reset, not an end.
func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0) // fails on a connection that is gone, which is what is wanted
	}
	_ = conn.Close()
}
