package fakevllm

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// serveJob answers one request whose body was read. An error is a *refusal, or the request has no answer.
type serveJob func(j *job, w http.ResponseWriter, r *http.Request) error

// routes are the addresses of the server. Nothing else exists, as in a vLLM that serves a chat model.
func (s *Server) routes() http.Handler {
	type route struct {
		method string
		serve  http.HandlerFunc
	}
	routes := map[string]route{
		"/v1/chat/completions": {http.MethodPost, s.answering((*job).chatOne)},
		"/v1/embeddings":       {http.MethodPost, s.answering((*job).embed)},
		"/v1/models":           {http.MethodGet, s.models},
		"/metrics":             {http.MethodGet, s.metrics},
		"/health":              {http.MethodGet, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) }},
	}
	if !s.opts.NoBatch {
		routes["/v1/chat/completions/batch"] = route{http.MethodPost, s.answering((*job).chatBatch)}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.serving() {
			writeDetail(w, http.StatusServiceUnavailable, "Service Unavailable")
			return
		}
		defer s.handlers.Done()
		if strings.HasPrefix(r.URL.Path, "/v1") && !s.allowed(r) {
			writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "Unauthorized"})
			return
		}
		to, ok := routes[r.URL.Path]
		switch {
		case !ok:
			writeDetail(w, http.StatusNotFound, "Not Found")
		case r.Method != to.method:
			w.Header().Set("Allow", to.method)
			writeDetail(w, http.StatusMethodNotAllowed, "Method Not Allowed")
		default:
			to.serve(w, r)
		}
	})
}

func (s *Server) allowed(r *http.Request) bool {
	if s.opts.Key == "" {
		return true
	}
	scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	got, want := sha256.Sum256([]byte(token)), sha256.Sum256([]byte(s.opts.Key))
	return strings.EqualFold(scheme, "bearer") && subtle.ConstantTimeCompare(got[:], want[:]) == 1
}

// job is what one request needs, kept for the next one.
type job struct {
	s       *Server
	body    []byte
	req     request
	blocks  []uint64
	seqs    []sequence
	answers []answer
	text    []byte // of all answers
	out     []byte

	fault       Fault
	after, pace time.Duration
}

// maxKept bounds the memory that a job keeps for later.
const maxKept = 8 << 20

// answering reads the body, plays faults that need no answer, and refuses what serve finds wrong.
func (s *Server) answering(serve serveJob) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.tally.requests.Add(1)
		j, _ := s.jobs.Get().(*job)
		j.s = s
		defer func() {
			if cap(j.body)+cap(j.out)+cap(j.text) <= maxKept {
				s.jobs.Put(j)
			}
		}()
		err := j.read(w, r)
		if err == nil {
			j.fault, j.after, j.pace = s.nextFault()
			err = serve(j, w, r)
		}
		if refused, ok := errors.AsType[*refusal](err); ok {
			s.tally.refused.Add(1)
			refused.write(w)
		} else if err != nil {
			// Returning would send an empty answer; whoever still listens is to see that there is none.
			if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
				reset(conn)
			}
		}
	}
}

// read reads the body. An error is a *refusal, or errGone.
func (j *job) read(w http.ResponseWriter, r *http.Request) error {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(strings.ToLower(kind)) != "application/json" {
		return invalid("", "value_error", "Unsupported Media Type: Only application/json is allowed")
	}
	tooLarge := plainRefusal(http.StatusRequestEntityTooLarge, "Request Entity Too Large", "Request body too large")
	limit := j.s.opts.MaxBody
	if r.ContentLength > limit {
		w.Header().Set("Connection", "close")
		return tooLarge
	}
	j.body = slices.Grow(j.body[:0], int(max(r.ContentLength, 512))+1)
	from := http.MaxBytesReader(w, r.Body, limit)
	for {
		n, err := from.Read(j.body[len(j.body):cap(j.body)])
		j.body = j.body[:len(j.body)+n]
		var over *http.MaxBytesError
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case errors.As(err, &over):
			return tooLarge
		case err != nil:
			return errGone
		case len(j.body) == cap(j.body):
			j.body = slices.Grow(j.body, len(j.body))
		}
	}
}
