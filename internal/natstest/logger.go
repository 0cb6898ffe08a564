package natstest

import (
	"log/slog"
	"testing"
)

// Logger writes warnings and errors to the test's output, shown when it fails.
func Logger(t testing.TB) *slog.Logger {
	return slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
}
