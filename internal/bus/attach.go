package bus

import (
	"errors"
	"fmt"
	"log/slog"

	"github.com/nats-io/nats.go"
)

// Attach opens a connection to a server in this process; p is a Server, or
// something that stands for one across restarts. The caller closes the connection.
func Attach(p nats.InProcessConnProvider, name string, log *slog.Logger) (*nats.Conn, error) {
	nc, err := nats.Connect("", append(common(name, log), nats.InProcessServer(p))...)
	if err != nil {
		return nil, fmt.Errorf("%w: in-process connection: %w", ErrUnreachable, err)
	}
	return nc, nil
}

// AttachAs is Attach as the user whose seed is in a file: a server with users has none that it does not know. Errors:
// ErrConfig, ErrUnreachable, ErrRefused.
func AttachAs(p nats.InProcessConnProvider, name, seedFile string, log *slog.Logger) (*nats.Conn, error) {
	user, err := asUser(seedFile)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrConfig, seedFile, err)
	}
	nc, err := nats.Connect("", append(common(name, log), nats.InProcessServer(p), user)...)
	if refused(err) {
		return nil, fmt.Errorf("%w: in-process connection: %w; is the user of %s in the server's list?", ErrRefused, err, seedFile)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: in-process connection: %w", ErrUnreachable, err)
	}
	return nc, nil
}

// common are the options of every connection: never give up, and never lose a
// message silently.
func common(name string, log *slog.Logger) []nats.Option {
	log = log.With("connection", name)
	return []nats.Option{
		nats.Name(name),
		nats.MaxReconnects(-1),
		nats.ReconnectWait(reconnectWait),
		nats.ReconnectJitter(reconnectWait, reconnectWait),
		nats.ReconnectBufSize(reconnectBuffer),
		nats.IgnoreAuthErrorAbort(),
		nats.ErrorHandler(func(_ *nats.Conn, sub *nats.Subscription, err error) { asyncError(log, sub, err) }),
		nats.DisconnectErrHandler(func(nc *nats.Conn, err error) {
			if !nc.IsClosed() && err != nil {
				log.Warn("NATS connection lost, reconnecting", "error", err)
			}
		}),
		nats.ReconnectHandler(func(nc *nats.Conn) { log.Info("NATS connection restored", "server", nc.ConnectedAddr()) }),
	}
}

// asyncError logs what no caller is there to get. A slow consumer has lost
// messages, so it is said with all that helps to find it.
func asyncError(log *slog.Logger, sub *nats.Subscription, err error) {
	if errors.Is(err, nats.ErrPermissionViolation) {
		log.Error("NATS refused what this user may not do; is the key of MYRIAD_NATS_NKEY that of this service?", "error", err)
		return
	}
	if sub == nil {
		log.Error("NATS connection error", "error", err)
		return
	}
	if !errors.Is(err, nats.ErrSlowConsumer) {
		log.Error("NATS subscription error", "subject", sub.Subject, "error", err)
		return
	}
	dropped, derr := sub.Dropped()
	msgs, bytes, perr := sub.Pending()
	if err := errors.Join(derr, perr); err != nil {
		log.Error("SLOW CONSUMER: messages dropped", "subject", sub.Subject, "counts", err)
		return
	}
	log.Error("SLOW CONSUMER: messages dropped", "subject", sub.Subject,
		"dropped", dropped, "pending_messages", msgs, "pending_bytes", bytes)
}
