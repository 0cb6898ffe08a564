package coordinator

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"time"
)

// guard stands before every handler: it checks where a request comes from, sets the headers every response has, and
// turns a panic into a problem.
func (v *server) guard(next http.Handler) http.Handler {
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		v.write(w, r, newProblem(http.StatusForbidden, codeForbidden, "a page of another origin may not change anything here"))
	}))
	protected := protection.Handler(next)
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		began := time.Now()
		w := &response{ResponseWriter: out}
		defer func() {
			if p := recover(); p != nil {
				v.recovered(w, r, p)
			}
			v.log.Debug("HTTP", "method", r.Method, "path", r.URL.Path, "status", w.status, "took", time.Since(began))
		}()
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		// A connection without deadlines cannot have one set; it is then not a network connection either.
		_ = http.NewResponseController(w).SetWriteDeadline(began.Add(writeTimeout))
		if r.ContentLength != 0 { // not of others: their connection is read from as long as a stream lasts
			_ = http.NewResponseController(w).SetReadDeadline(began.Add(v.bodyTimeout))
		}
		if !v.access.named(r.Host) {
			v.write(w, r, newProblem(http.StatusMisdirectedRequest, codeForbidden, fmt.Sprintf("this server is not %.80q; "+
				"call it localhost, 127.0.0.1 or [::1], by a name in its certificate, or by one of MYRIAD_COORDINATOR_HTTP_HOSTS", r.Host)))
			return
		}
		if !open(r) && !v.access.holds(r) {
			v.unauthorized(w, r)
			return
		}
		r.Body = drained{r.Body}
		protected.ServeHTTP(w, r)
	})
}

// drained reads what is left of a body that is too large before it closes it, within reason: a client that is still
// sending when the connection is closed loses the answer that says why.
type drained struct{ io.ReadCloser }

// Close reads and closes.
func (b drained) Close() error {
	const reason = 16 << 20
	_, err := io.CopyN(io.Discard, b.ReadCloser, reason)
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return errors.Join(err, b.ReadCloser.Close())
}

// recovered answers a request whose handler panicked. What is half sent is cut off, so that nobody takes it for whole.
func (v *server) recovered(w *response, r *http.Request, p any) {
	if p == http.ErrAbortHandler { //nolint:errorlint // a panic value, compared as net/http does
		abort()
	}
	if r.Context().Err() == nil {
		v.log.Error("HTTP handler panicked", "method", r.Method, "path", r.URL.Path, "panic", p, "stack", string(debug.Stack()))
	}
	if w.status != 0 {
		abort()
	}
	v.write(w, r, internal())
}

// abort cuts off the response of the running handler, where a clean end would make what was sent look whole.
func abort() {
	panic(http.ErrAbortHandler) //nolint:forbidigo // how net/http is told
}

// route answers what no handler is registered for with a problem.
func (v *server) route(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h, pattern := mux.Handler(r)
		if pattern != "" {
			mux.ServeHTTP(w, r)
			return
		}
		found := &probe{header: http.Header{}}
		h.ServeHTTP(found, r)
		switch found.status {
		case http.StatusNotFound:
			v.write(w, r, newProblem(http.StatusNotFound, codeNotFound, fmt.Sprintf("there is nothing at %.200q; /docs lists what there is", r.URL.Path)))
		case http.StatusMethodNotAllowed:
			allow := found.header.Get("Allow")
			w.Header().Set("Allow", allow)
			v.write(w, r, newProblem(http.StatusMethodNotAllowed, codeMethod, fmt.Sprintf("%.40q is not possible at %.200q, only %s", r.Method, r.URL.Path, allow)))
		default: // a redirect to the clean form of the path
			h.ServeHTTP(w, r)
		}
	})
}

// response remembers the status that was sent.
type response struct {
	http.ResponseWriter
	status int
}

// WriteHeader sends the status.
func (w *response) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write sends a part of the body.
func (w *response) Write(p []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController.
func (w *response) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// probe takes the headers of a response and drops its body.
type probe struct {
	header http.Header
	status int
}

func (p *probe) Header() http.Header { return p.header }

func (p *probe) WriteHeader(status int) { p.status = status }

func (p *probe) Write(b []byte) (int, error) { return len(b), nil }
