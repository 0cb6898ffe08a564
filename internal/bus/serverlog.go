package bus

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
)

// serverLog passes what the embedded server says to slog. The server calls
// Fatalf where a program of its own would exit; here the first such message is
// kept for whoever waits for the start.
type serverLog struct {
	log     *slog.Logger
	fatal   chan string
	noSpace chan struct{} // has something in it once the disk was full
}

func newServerLog(log *slog.Logger) *serverLog {
	return &serverLog{log: log, fatal: make(chan string, 1), noSpace: make(chan struct{}, 1)}
}

func (l *serverLog) say(level slog.Level, format string, v []any) {
	l.log.Log(context.Background(), level, "nats-server: "+fmt.Sprintf(format, v...))
}

func (l *serverLog) Noticef(format string, v ...any) { l.say(slog.LevelDebug, format, v) }
func (l *serverLog) Debugf(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }
func (l *serverLog) Tracef(format string, v ...any)  { l.say(slog.LevelDebug, format, v) }

// Warnf passes warnings on, but for those of a store that is read again after a crash: that it does so is its purpose.
func (l *serverLog) Warnf(format string, v ...any) {
	level := slog.LevelWarn
	if strings.HasPrefix(strings.TrimSpace(fmt.Sprintf(format, v...)), "Filestore [") {
		level = slog.LevelInfo
	}
	l.say(level, format, v)
}

// Errorf passes errors on, and tells of a full disk: there is no other word of it.
func (l *serverLog) Errorf(format string, v ...any) {
	if strings.Contains(fmt.Sprintf(format, v...), syscall.ENOSPC.Error()) {
		select {
		case l.noSpace <- struct{}{}:
		default:
		}
	}
	l.say(slog.LevelError, format, v)
}

func (l *serverLog) Fatalf(format string, v ...any) {
	l.say(slog.LevelError, format, v)
	select {
	case l.fatal <- fmt.Sprintf(format, v...):
	default:
	}
}
