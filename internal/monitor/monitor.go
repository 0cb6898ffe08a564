package monitor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Paths that a monitor answers.
const (
	PathHealth  = "/healthz" // 200 as long as the process answers
	PathReady   = "/readyz"  // 200 while it can work, else 503 with the reason
	PathMetrics = "/metrics" // Prometheus text format
)

const (
	readyTimeout  = 3 * time.Second // one check of readiness
	headerTimeout = 5 * time.Second
	writeTimeout  = 30 * time.Second
	idleTimeout   = 2 * time.Minute
	headerBytes   = 16 << 10
	maxScrapes    = 4 // at a time; more are told to come again
)

// Config is read from the environment by every process that runs services.
type Config struct {
	Addr string `env:"MONITOR" desc:"address of /healthz, /readyz and /metrics, such as 127.0.0.1:9464; empty: none"`
	Open bool   `env:"MONITOR_OPEN" desc:"let the monitor listen where other machines reach it; it shows no secrets, but neither TLS nor a token guard it"`
}

// Server answers probes from Listen to Stop. Its methods are safe for concurrent use.
type Server struct {
	log      *slog.Logger
	registry *prometheus.Registry
	http     *http.Server
	addr     string
	serving  sync.WaitGroup

	mu    sync.Mutex
	check func(context.Context) error
}

// Listen opens the listener and serves: alive at once, ready once Ready was called. Metrics are those of the process-wide
// registry and of what is registered here. ctx bounds opening only; the caller calls Stop. Errors: ErrNotLoopback, ErrListen.
func Listen(ctx context.Context, cfg Config, log *slog.Logger) (*Server, error) {
	host, _, err := net.SplitHostPort(cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("%w: %q, want an address such as 127.0.0.1:9464: %w; set MYRIAD_MONITOR", ErrListen, cfg.Addr, err)
	}
	if !cfg.Open && !loopback(host) {
		return nil, fmt.Errorf("%w, not on %s: neither TLS nor a token guard it; set MYRIAD_MONITOR to a loopback address, or "+
			"MYRIAD_MONITOR_OPEN=true where only probes and Prometheus can reach it", ErrNotLoopback, cfg.Addr)
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", cfg.Addr)
	if err != nil {
		return nil, fmt.Errorf("%w on %s: %w; set MYRIAD_MONITOR to another address", ErrListen, cfg.Addr, err)
	}
	s := &Server{
		log: log.With("part", "monitor"), registry: prometheus.NewRegistry(), addr: l.Addr().String(),
		check: func(context.Context) error { return errStarting },
	}
	s.http = &http.Server{
		Handler: s.routes(), ReadHeaderTimeout: headerTimeout, ReadTimeout: headerTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: headerBytes, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	s.serving.Go(func() {
		if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			s.log.Error("no more probes are answered", "address", s.addr, "error", err)
		}
	})
	return s, nil
}

// Addr is the host:port it listens on.
func (s *Server) Addr() string { return s.addr }

// Register adds metrics. Their Collect runs on goroutines of requests.
func (s *Server) Register(c prometheus.Collector) error {
	if err := s.registry.Register(c); err != nil {
		return fmt.Errorf("monitor: register metrics: %w", err)
	}
	return nil
}

// Ready says that everything has started. From now on check decides at each probe; its context ends after three seconds.
// The text of its error is shown to whoever asks.
func (s *Server) Ready(check func(context.Context) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.check = check
}

// Stop closes the listener and waits for requests until ctx ends, then cuts them off.
func (s *Server) Stop(ctx context.Context) error {
	err := s.http.Shutdown(ctx)
	if err != nil {
		err = fmt.Errorf("monitor: requests were cut off: %w", errors.Join(err, s.http.Close()))
	}
	s.serving.Wait()
	return err
}

func (s *Server) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+PathHealth, func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "alive") })
	mux.HandleFunc("GET "+PathReady, s.ready)
	mux.Handle("GET "+PathMetrics, promhttp.HandlerFor(prometheus.Gatherers{prometheus.DefaultGatherer, s.registry}, promhttp.HandlerOpts{
		ErrorHandling:       promhttp.ContinueOnError, // while the broker is away the rest is still worth having
		MaxRequestsInFlight: maxScrapes,
	}))
	return mux
}

func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	check := s.check
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	if err := check(ctx); err != nil {
		say(w, http.StatusServiceUnavailable, err.Error())
		return
	}
	say(w, http.StatusOK, "ready")
}

func say(w http.ResponseWriter, status int, text string) {
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, text+"\n") // whoever asked and went away needs no answer
}

// loopback reports whether a host is reached from this machine only. Names other than localhost are not looked up: what
// they resolve to can change after the check.
func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}
