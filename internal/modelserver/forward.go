package modelserver

import (
	"bytes"
	"context"
	"errors"
	"mime"
	"regexp"
	"strings"

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
// came, of at most 64 MiB. Errors are of type *Error; Lacking if the server has no such path or model.
func (s *Server) Forward(ctx context.Context, path string, body []byte) (Forwarded, error) {
	const mostPath = 200
	if len(path) > mostPath || !forwardPath.MatchString(path) {
		return Forwarded{}, s.unsendable(errPath)
	}
	if !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")) || !gjson.ValidBytes(body) {
		return Forwarded{}, s.unsendable(errBody)
	}
	if s.broken != "" {
		return Forwarded{}, s.unusable()
	}
	out := s.batches.get()
	defer out.release()
	out.data = append(out.data, body...)
	got, err := s.exchange(ctx, &route{url: s.base.JoinPath(path), most: maxForward, optional: true}, out)
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
