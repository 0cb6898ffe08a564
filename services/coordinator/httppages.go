package coordinator

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

//go:embed web
var web embed.FS

// pagePolicy lets our pages load our own files and nothing else.
const pagePolicy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// webTypes are the media types of embedded files; those of the system's own tables differ from machine to machine.
var webTypes = map[string]string{
	".html": "text/html; charset=utf-8",
	".css":  "text/css; charset=utf-8",
	".js":   "text/javascript; charset=utf-8",
	".svg":  "image/svg+xml",
}

// pages serves the embedded pages: / for runs, /docs for the API, and what they are made of under /web/.
func (v *server) pages(mux *http.ServeMux) error {
	files, err := fs.ReadDir(web, "web")
	if err != nil {
		return fmt.Errorf("coordinator: pages: %w", err)
	}
	for _, f := range files {
		data, err := web.ReadFile("web/" + f.Name())
		if err != nil {
			return fmt.Errorf("coordinator: pages: %w", err)
		}
		h := static(webTypes[path.Ext(f.Name())], data)
		switch f.Name() {
		case "index.html":
			mux.Handle("GET /{$}", h)
		case "docs.html":
			mux.Handle("GET /docs", h)
		default:
			mux.Handle("GET /web/"+f.Name(), h)
		}
	}
	mux.Handle("GET /web/starter.yaml", static("application/yaml", scenario.Starter("my-first-run")))
	return nil
}

// static serves bytes that do not change while the process runs. Browsers ask again each time and are told if they have
// them already.
func static(mediaType string, data []byte) http.Handler {
	tag := fmt.Sprintf("%q", fmt.Sprintf("%x", sha256.Sum256(data))[:16])
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Type", mediaType)
		h.Set("Cache-Control", "no-cache")
		h.Set("Content-Security-Policy", pagePolicy)
		h.Set("ETag", tag)
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(data))
	})
}
