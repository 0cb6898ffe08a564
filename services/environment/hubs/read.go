package hubs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// apiTimeout is for one request to the broker.
const apiTimeout = 5 * time.Second

// Headers of the broker's answers.
const (
	headerStatus   = "Status"
	headerSequence = "Nats-Sequence"
	headerPrevious = "Nats-Last-Sequence" // the message before it of the same answer
	headerPending  = "Nats-Num-Pending"   // how many match after it
)

// errGap says that part of an answer of the broker was lost.
var errGap = errors.New("part of the broker's answer is missing")

// store reads and appends records of hubs.
type store struct {
	nc *nats.Conn
	js jetstream.JetStream
}

// api is the subject of a request to the broker about the stream of hubs.
func api(request string) string {
	return jetstream.DefaultAPIPrefix + request + "." + subjects.StreamHub
}

// lastSeq is the sequence of the newest record on a subject, 0 for none. It asks the leader of the stream, which has
// everything that was acknowledged; other servers of a cluster may be behind.
func (s store) lastSeq(ctx context.Context, subject string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	ask, err := json.Marshal(map[string]string{"last_by_subj": subject})
	if err != nil {
		return 0, err
	}
	m, err := s.nc.RequestWithContext(ctx, api("STREAM.MSG.GET"), ask)
	if err != nil {
		return 0, err
	}
	var answer struct {
		Message struct {
			Seq uint64 `json:"seq"`
		} `json:"message"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(m.Data, &answer); err != nil {
		return 0, fmt.Errorf("the broker's answer: %w", err)
	}
	if answer.Error != nil && answer.Error.ErrorCode == jetstream.JSErrCodeMessageNotFound {
		return 0, nil
	}
	if answer.Error != nil {
		return 0, answer.Error
	}
	return answer.Message.Seq, nil
}

// read hands records of a subject, from sequence start on, to fn until it returns false: at most count, and about as many
// as have maxBytes, but at least one. more says that there are others after them. Any server of a cluster may answer, so
// the newest may be missing.
func (s store) read(ctx context.Context, subject string, start uint64, count, maxBytes int, fn func(record) bool) (more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, apiTimeout)
	defer cancel()
	ask, err := json.Marshal(map[string]any{"seq": max(start, 1), "next_by_subj": subject, "batch": count, "max_bytes": maxBytes})
	if err != nil {
		return false, err
	}
	inbox := s.nc.NewInbox()
	answers := make(chan *nats.Msg, count+1) // all there can be: what has no room is dropped
	sub, err := s.nc.ChanSubscribe(inbox, answers)
	if err != nil {
		return false, err
	}
	defer func() { _ = sub.Unsubscribe() }() // fails only when the connection is closed
	if err := s.nc.PublishRequest(api("DIRECT.GET"), inbox, ask); err != nil {
		return false, err
	}
	for previous := uint64(0); ; {
		var m *nats.Msg
		select {
		case m = <-answers:
		case <-ctx.Done():
			return false, ctx.Err()
		}
		before, _ := strconv.ParseUint(m.Header.Get(headerPrevious), 10, 64) // absent in what is no part of an answer
		switch m.Header.Get(headerStatus) {
		case "":
		case "204": // the end
			if before != previous {
				return false, errGap
			}
			return m.Header.Get(headerPending) != "0", nil
		case "404": // none
			return false, nil
		default:
			return false, fmt.Errorf("the broker's answer: %s %s", m.Header.Get(headerStatus), m.Header.Get("Description"))
		}
		seq, err := strconv.ParseUint(m.Header.Get(headerSequence), 10, 64)
		if err != nil || before != previous {
			return false, errGap
		}
		if previous = seq; !fn(readRecord(seq, m.Header, m.Data)) {
			return true, nil
		}
	}
}
