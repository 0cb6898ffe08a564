package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

const (
	// MaxBatchMsgs is how many messages one batch may hold; the server's own limit.
	MaxBatchMsgs = 1000
	// MaxBatchBytes is how many bytes of payload one batch may hold.
	MaxBatchBytes = 32 << 20
	// commitWait bounds the wait for the acknowledgement when the caller sets no
	// deadline: an answer that a dying server did not send never comes.
	commitWait = 10 * time.Second
)

// Headers of NATS's atomic batch publish. The Go client has no call for it.
const (
	headerBatchID     = "Nats-Batch-Id"
	headerBatchSeq    = "Nats-Batch-Sequence"
	headerBatchCommit = "Nats-Batch-Commit"
)

// noResponders is the status of the server's answer where nobody takes a subject.
const noResponders = "503"

// batchErrors maps the server's error codes.
var batchErrors = map[jetstream.ErrorCode]error{
	10071: ErrBatchConflict, // wrong last sequence
	10164: ErrBatchConflict, // wrong last sequence, in a cluster
	10174: ErrBatchDisabled,
	10176: ErrBatchIncomplete,
	10199: ErrBatchTooLarge,
	10201: ErrBatchConflict, // duplicate message id
	10210: ErrBatchBusy,
	10167: ErrBatchBusy, // the stream's inbound queue is full
}

// PublishBatch stores msgs in one stream, all of them or none, in order and
// with nothing between them, and waits for the acknowledgement. The
// acknowledged sequence is the last message's; the first is len(msgs)-1 lower.
// The messages are not changed and may carry headers, such as
// Nats-Expected-Last-Subject-Sequence. Errors: the ErrBatch values, with the
// server's words; nothing is retried here. Without a deadline in ctx the
// acknowledgement is awaited for ten seconds.
func PublishBatch(ctx context.Context, nc *nats.Conn, msgs []*nats.Msg) (*jetstream.PubAck, error) {
	if err := checkBatch(msgs); err != nil {
		return nil, err
	}
	inbox := nc.NewInbox()
	// At most two answers come. A synchronous subscription would have room for 64k.
	answers := make(chan *nats.Msg, 4)
	sub, err := nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBatchRejected, err)
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed
	id := nuid.Next()
	for i, m := range msgs {
		out := &nats.Msg{Subject: m.Subject, Header: maps.Clone(m.Header), Data: m.Data}
		if out.Header == nil {
			out.Header = nats.Header{}
		}
		out.Header.Set(headerBatchID, id)
		out.Header.Set(headerBatchSeq, strconv.Itoa(i+1))
		// The first message asks for an answer too: if the batch is refused
		// there, the commit would only say that the batch is incomplete.
		if i == 0 {
			out.Reply = inbox
		}
		if i == len(msgs)-1 {
			out.Header.Set(headerBatchCommit, "1")
			out.Reply = inbox
		}
		if err := nc.PublishMsg(out); err != nil {
			return nil, publishError(i, err)
		}
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, commitWait)
		defer cancel()
	}
	return awaitCommit(ctx, answers, len(msgs))
}

// checkBatch refuses what no server would take.
func checkBatch(msgs []*nats.Msg) error {
	if len(msgs) == 0 {
		return ErrBatchEmpty
	}
	if len(msgs) > MaxBatchMsgs {
		return fmt.Errorf("%w: %d messages, at most %d", ErrBatchTooLarge, len(msgs), MaxBatchMsgs)
	}
	bytes := 0
	for _, m := range msgs {
		bytes += len(m.Data)
	}
	if bytes > MaxBatchBytes {
		return fmt.Errorf("%w: %d bytes, at most %d", ErrBatchTooLarge, bytes, MaxBatchBytes)
	}
	return nil
}

// awaitCommit reads the answers: an empty one when the first message is
// staged, then the commit's. An error at either ends the batch.
func awaitCommit(ctx context.Context, answers <-chan *nats.Msg, n int) (*jetstream.PubAck, error) {
	for {
		var m *nats.Msg
		select {
		case m = <-answers:
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", ErrBatchUnconfirmed, ctx.Err())
		}
		if m == nil { // closed with the connection
			return nil, fmt.Errorf("%w: %w", ErrBatchUnconfirmed, nats.ErrConnectionClosed)
		}
		if len(m.Data) == 0 && m.Header.Get("Status") == noResponders {
			return nil, fmt.Errorf("%w: no stream takes the subject: %w", ErrBatchRejected, nats.ErrNoResponders)
		}
		if len(m.Data) == 0 {
			continue
		}
		var ack struct {
			jetstream.PubAck
			Count int                 `json:"count"`
			Error *jetstream.APIError `json:"error"`
		}
		if err := json.Unmarshal(m.Data, &ack); err != nil {
			return nil, fmt.Errorf("%w: unreadable acknowledgement: %w", ErrBatchUnconfirmed, err)
		}
		if ack.Error != nil {
			return nil, batchError(ack.Error)
		}
		if ack.Count != n {
			return nil, fmt.Errorf("%w: server counted %d messages of %d", ErrBatchUnconfirmed, ack.Count, n)
		}
		return &ack.PubAck, nil
	}
}

// publishError is for a message that did not leave; without its commit the
// server drops the batch.
func publishError(i int, err error) error {
	kind := ErrBatchIncomplete
	if errors.Is(err, nats.ErrMaxPayload) {
		kind = ErrBatchTooLarge
	}
	return fmt.Errorf("%w: message %d: %w", kind, i+1, err)
}

func batchError(e *jetstream.APIError) error {
	kind, ok := batchErrors[e.ErrorCode]
	if !ok {
		kind = ErrBatchRejected
	}
	return fmt.Errorf("%w: %w", kind, e)
}
