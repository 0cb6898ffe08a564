package modelserver

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of what is read of a response, in bytes: a server is not trusted to end.
const (
	maxChat    = 32 << 20
	maxBatch   = 64 << 20
	maxForward = 64 << 20
	maxMetrics = 16 << 20 // and lists of models
	maxReason  = 64 << 10 // of an error
)

// route is an address at a server.
type route struct {
	url      *url.URL
	most     int  // bytes of a response
	optional bool // a server need not have it
}

// response is a success.
type response struct {
	status int
	header http.Header
	body   []byte
}

// sent notes whether a request got as far as to be written to a connection.
type sent struct {
	httptrace.ClientTrace
	headers atomic.Bool
}

func newSent() *sent {
	t := &sent{}
	t.GetConn = func(string) { t.headers.Store(false) } // of a second connection, when the first was found closed
	t.WroteHeaders = func() { t.headers.Store(true) }
	return t
}

// exchange makes one request, a POST if it has a body, and reads the response. Only a whole response of success is
// returned; all else is an *Error.
func (s *Server) exchange(ctx context.Context, r *route, body *outgoing) (response, error) {
	a, err := s.begin(ctx, r, body)
	if err != nil {
		return response{}, err
	}
	return s.finish(ctx, r, a, nil)
}

// answer is the beginning of a response of success.
type answer struct {
	resp  *http.Response
	begun time.Time
}

// begin makes a request and waits for the response to begin. Finish must be called unless there is an error.
func (s *Server) begin(ctx context.Context, r *route, body *outgoing) (answer, error) {
	if s.broken != "" {
		return answer{}, s.unusable()
	}
	begun, trace := time.Now(), newSent()
	resp, err := s.send(httptrace.WithClientTrace(ctx, &trace.ClientTrace), r, body)
	if err != nil {
		return answer{}, s.broke(ctx, err, trace.headers.Load(), 0, begun)
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 {
		return answer{resp, begun}, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return answer{}, s.read(ctx, r, resp)
}

// read makes the error of a response that is no success. The caller closes it.
func (s *Server) read(ctx context.Context, r *route, resp *http.Response) *Error {
	// What a server says in an error is worth having, but not needed: it may be cut off.
	why, _ := readAll(nil, resp.Body, resp.ContentLength, maxReason)
	refused := s.refused(r, resp.StatusCode, resp.Header, why)
	refused.cause = ctx.Err()
	return refused
}

// finish reads the rest of a response, in the place of what is in room.
func (s *Server) finish(ctx context.Context, r *route, a answer, room []byte) (response, error) {
	defer func() { _ = a.resp.Body.Close() }()
	got := response{status: a.resp.StatusCode, header: a.resp.Header}
	var err error
	got.body, err = readAll(room, a.resp.Body, a.resp.ContentLength, r.most)
	switch {
	case errors.Is(err, errTooLong):
		return got, s.malformed(got.status, fmt.Errorf("%w: more than %d bytes", err, r.most))
	case err != nil:
		return got, s.broke(ctx, err, true, got.status, a.begun)
	}
	return got, nil
}

// sendings is how often a request is sent when connections turn out to be closed.
const sendings = 3

// send makes the request. A connection that the server had closed before we wrote to it is no failure.
func (s *Server) send(ctx context.Context, r *route, body *outgoing) (*http.Response, error) {
	for n := 1; ; n++ {
		resp, err := s.http.Do(s.request(ctx, r, body)) //nolint:gosec // who may be asked is checked where endpoints are read
		if n == sendings || !closedIdle(err) {
			return resp, err
		}
	}
}

// closedIdle reports what the transport says, in an error that has no name, of a connection that was closed before it was
// written to.
func closedIdle(err error) bool {
	return err != nil && strings.Contains(err.Error(), "server closed idle connection")
}

func (s *Server) request(ctx context.Context, r *route, body *outgoing) *http.Request {
	req := &http.Request{
		Method: http.MethodGet, URL: r.url, Host: r.url.Host, Header: s.getHeader,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	if body != nil {
		req.Method, req.Header = http.MethodPost, s.postHeader
		req.ContentLength, req.GetBody = int64(len(body.data)), body.open
		req.Body, _ = body.open()
	}
	return req.WithContext(ctx)
}

var errTooLong = errors.New("the response is too long")

// readAll reads r, which announced so many bytes (-1: it did not say), to its end, in the place of what is in room. With
// an error it gives what had come.
func readAll(room []byte, r io.Reader, announced int64, most int) ([]byte, error) {
	// What a server announces is believed up to here; the rest of the room is made when there is something to put there.
	const least, believed = 512, 1 << 20
	b := slices.Grow(room[:0], int(min(max(announced, least), believed))+1)
	for {
		n, err := r.Read(b[len(b):min(cap(b), most+1)])
		b = b[:len(b)+n]
		switch {
		case len(b) > most:
			return b[:most], errTooLong
		case errors.Is(err, io.EOF):
			return b, nil
		case err != nil:
			return b, err
		case len(b) == cap(b):
			b = slices.Grow(b, cap(b))
		}
	}
}

// broke makes the error of an attempt without a whole response.
func (s *Server) broke(ctx context.Context, err error, sent bool, status int, begun time.Time) *Error {
	e := &Error{Kind: Unreached, Status: status, cause: ctx.Err()}
	if sent {
		e.Kind = Lost
	}
	var why string
	switch took := time.Since(begun).Round(time.Millisecond); {
	case errors.Is(e.cause, context.DeadlineExceeded):
		why = fmt.Sprintf("no answer within %v", took)
		if !sent {
			why = fmt.Sprintf("no connection within %v", took)
		}
	case e.cause != nil:
		why = fmt.Sprintf("the call was cancelled after %v", took)
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		why = fmt.Sprintf("the connection ended before the response did, after %v", took)
	default:
		if outer, ok := errors.AsType[*url.Error](err); ok {
			err = outer.Err
		}
		why = err.Error()
	}
	e.Text = s.line(why)
	return e
}

// malformed makes the error of a success that is none.
func (s *Server) malformed(status int, err error) *Error {
	return &Error{Kind: Malformed, Status: status, Text: s.line(err.Error())}
}

// unusable makes the error of a server whose base URL is none.
func (s *Server) unusable() *Error { return &Error{Kind: Forbidden, Text: s.line(s.broken)} }
