package modelserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/http/httptrace"
	"regexp"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/tidwall/gjson"
)

// forwardPath is what a path below the base URL may look like: names of plain characters, none of which begins with a
// dot, so that it leads nowhere else.
var forwardPath = regexp.MustCompile(`^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$`)

var (
	errPath    = errors.New("the path is not a plain relative one")
	errBody    = errors.New("the body is not a JSON object")
	errNoBody  = errors.New("the response is empty")
	errNotJSON = errors.New("the response is not JSON")
)

// Forward posts a JSON object to a path below the base URL, as "embeddings" or "images/generations", and returns what
// came, of at most so many bytes. Errors are of type *Error; Lacking if the server has no such path or model. A response
// that is longer is an error that wraps ErrTooLarge and says its size; what it cost is not known.
func (s *Server) Forward(ctx context.Context, path string, body []byte, most int) (Forwarded, error) {
	const mostPath = 200
	if len(path) > mostPath || !forwardPath.MatchString(path) {
		return Forwarded{}, s.unsendable(errPath)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) || !gjson.ValidBytes(body) {
		return Forwarded{}, s.unsendable(errBody)
	}
	got, err := s.call(ctx, http.MethodPost, path, body, &route{most: most, optional: true})
	if err != nil {
		return Forwarded{}, err
	}
	kind := got.header.Get("Content-Type")
	media, _, _ := mime.ParseMediaType(kind)
	switch {
	case len(got.body) == 0:
		return Forwarded{}, s.malformed(got.status, errNoBody)
	case (media == "application/json" || strings.HasSuffix(media, "+json")) && !gjson.ValidBytes(got.body):
		return Forwarded{}, s.malformed(got.status, errNotJSON)
	}
	return Forwarded{ContentType: kind, Body: got.body}, nil
}

// call makes one request to a path below the base URL through the client of OpenAI, for what is asked too seldom to be
// worth hands of our own. Body is nil for a GET. Errors are of type *Error.
func (s *Server) call(ctx context.Context, method, path string, body []byte, r *route) (response, error) {
	if s.broken != "" {
		return response{}, s.unusable()
	}
	var params any
	if body != nil {
		params = body
	}
	begun, trace := time.Now(), newSent()
	var resp *http.Response
	err := s.library(ctx, r).Execute(httptrace.WithClientTrace(ctx, &trace.ClientTrace), method, path, params, &resp)
	if known, ok := errors.AsType[*Error](err); ok {
		return response{}, known
	}
	if err != nil {
		return response{}, s.broke(ctx, err, trace.headers.Load(), 0, begun)
	}
	defer func() { _ = resp.Body.Close() }()
	got := response{status: resp.StatusCode, header: resp.Header}
	got.body, err = readAll(nil, resp.Body, resp.ContentLength, r.most)
	switch {
	case errors.Is(err, errTooLong):
		return response{}, s.tooLarge(resp, r.most)
	case err != nil:
		return response{}, s.broke(ctx, err, true, got.status, begun)
	}
	return got, nil
}

// library is the client of OpenAI. Made from these options alone, it takes nothing from the environment, and it leaves
// to us what to think of a response: it would read what a server says in an error to its end.
func (s *Server) library(ctx context.Context, r *route) *openai.Client {
	judge := func(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
		resp, err := sendAgain(req, next)
		if err != nil || resp.StatusCode >= 200 && resp.StatusCode <= 299 {
			return resp, err
		}
		defer func() { _ = resp.Body.Close() }()
		return nil, s.read(ctx, r, resp)
	}
	opts := []option.RequestOption{
		option.WithBaseURL(s.base.String()), option.WithHTTPClient(s.http), option.WithMaxRetries(0),
		option.WithMiddleware(judge), option.WithHeader("Accept", "*/*"), option.WithHeader("User-Agent", "myriad"),
	}
	if s.key != "" {
		opts = append(opts, option.WithAPIKey(s.key))
	}
	return &openai.Client{Options: opts}
}

// sendAgain makes a request anew while the server had closed the connection before we wrote to it, as send does.
func sendAgain(req *http.Request, next option.MiddlewareNext) (*http.Response, error) {
	for n := 1; ; n++ {
		resp, err := next(req)
		if n == sendings || !closedIdle(err) {
			return resp, err
		}
		req = req.Clone(req.Context())
		if req.GetBody == nil {
			continue
		}
		var failed error
		if req.Body, failed = req.GetBody(); failed != nil {
			return nil, failed
		}
	}
}

// tooLarge makes the error of a response of which more than so many bytes were read. The rest is counted, not kept.
func (s *Server) tooLarge(resp *http.Response, most int) *Error {
	rest, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxForward))
	size := fmt.Sprintf("%d", int64(most)+1+rest)
	if err != nil || rest == maxForward {
		size = "more than " + size
	}
	e := s.malformed(resp.StatusCode, fmt.Errorf("%w: it has %s bytes, %d are allowed", ErrTooLarge, size, most))
	e.cause = ErrTooLarge
	return e
}
