package modelserver

import (
	"context"
	"errors"
	"net/http"
)

// Healthy reports whether the server takes calls: nil if it does. It asks for /health beside the base path, or for the
// list of models if there is none, and spends no tokens. A server that is there and refuses to tell counts as healthy:
// the next call will show. Errors are of type *Error.
//
// A server that comes back may be another one, so Load asks it for metrics again.
func (s *Server) Healthy(ctx context.Context) error {
	if s.broken != "" {
		return s.unusable()
	}
	_, err := s.exchange(ctx, &s.health, nil)
	if silent(err) {
		_, err = s.call(ctx, http.MethodGet, "models", nil, &s.models)
	}
	if err != nil && !silent(err) {
		return err
	}
	s.noMetrics.Store(false)
	return nil
}

// silent reports whether a server that works refused to tell something.
func silent(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Kind == Lacking || e.Kind == Forbidden || e.Kind == Rejected)
}
