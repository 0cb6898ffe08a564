package fakevllm

import (
	"io"
	"net/http"
)

// Admin is a handler to make the server fail while it runs. It has no place on the server's own address, which answers
// nothing once it is killed, and asks for no key: keep it on loopback.
//
//	POST /fault    a line as ParseFaults reads it; an empty body ends all faults
//	POST /kill     as Kill
//	POST /revive   as Revive
//	GET  /stats    the Stats as JSON
func (s *Server) Admin() http.Handler {
	mux := http.NewServeMux()
	reply := func(w http.ResponseWriter, err error) {
		if err != nil {
			plainRefusal(http.StatusBadRequest, "BadRequestError", err.Error()).write(w)
			return
		}
		writeJSON(w, http.StatusOK, s.Stats())
	}
	mux.HandleFunc("POST /fault", func(w http.ResponseWriter, r *http.Request) {
		line, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<16))
		if err != nil {
			reply(w, err)
			return
		}
		f, err := ParseFaults(string(line))
		if err == nil {
			err = s.Set(f)
		}
		reply(w, err)
	})
	mux.HandleFunc("POST /kill", func(w http.ResponseWriter, _ *http.Request) {
		s.Kill()
		reply(w, nil)
	})
	mux.HandleFunc("POST /revive", func(w http.ResponseWriter, _ *http.Request) { reply(w, s.Revive()) })
	mux.HandleFunc("GET /stats", func(w http.ResponseWriter, _ *http.Request) { reply(w, nil) })
	return mux
}
