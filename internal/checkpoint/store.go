package checkpoint

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/objects"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Names in the object store: a prefix, the subject, and one of two slots that are written in turn.
const (
	prefix    = "checkpoint/"
	metaSeq   = "seq"
	partBytes = 1 << 20 // of a checkpoint go into one message; far less than any broker's limit
	chunks    = "$O." + subjects.StoreFiles + ".C."

	objectStream = "OBJ_" + subjects.StoreFiles
)

var slots = []string{"/a", "/b"}

// Times. What takes longer is given up: the log can be read instead.
const (
	askTime  = 5 * time.Second // for one request to the broker
	saveTime = 2 * time.Minute
)

// Store keeps checkpoints. It is safe for concurrent use, and by any number of programs at once.
type Store struct {
	js      jetstream.JetStream
	objects jetstream.ObjectStore
	parts   jetstream.Stream
	leader  nats.JetStreamContext // asks the leader of the records: a replica may not have the last one yet
	records string                // the stream that has them
	log     *slog.Logger
}

// Open returns the checkpoints of what stands in a stream of a broker. The connection is the caller's. The error is the broker's.
func Open(ctx context.Context, js jetstream.JetStream, log *slog.Logger, records string) (*Store, error) {
	files, err := js.ObjectStore(ctx, subjects.StoreFiles)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: object store %s: %w", subjects.StoreFiles, err)
	}
	parts, err := js.Stream(ctx, objectStream)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: stream %s: %w", objectStream, err)
	}
	leader, err := js.Conn().JetStream()
	if err != nil {
		return nil, fmt.Errorf("checkpoint: jetstream: %w", err)
	}
	return &Store{js, files, parts, leader, records, log}, nil
}

// Save stores the state that the records of a subject up to a sequence have led to, in place of the older of the two that are
// there. Who reads meanwhile gets the other one. Errors: ErrForeign where the log has no such record, or the broker's.
func (s *Store) Save(ctx context.Context, subject string, seq uint64, state []byte) error {
	if len(subject) > maxName {
		return fmt.Errorf("checkpoint: a subject of %d bytes, the limit is %d", len(subject), maxName)
	}
	ctx, cancel := context.WithTimeout(ctx, saveTime)
	defer cancel()
	record, err := s.record(ctx, subject, seq)
	if err != nil {
		return fmt.Errorf("checkpoint: %s: %w", subject, err)
	}
	have, err := s.have(ctx, subject)
	if err != nil {
		return fmt.Errorf("checkpoint: %s: %w", subject, err)
	}
	name := prefix + subject + slots[0]
	switch len(have) {
	case 1:
		if have[0].Name == name {
			name = prefix + subject + slots[1]
		}
	case 2:
		name = have[1].Name
	}
	f := frame{subject: subject, seq: seq, record: record, state: state}
	_, err = s.objects.Put(ctx, jetstream.ObjectMeta{
		Name: name, Description: "what the log has led to, up to a record", Metadata: map[string]string{metaSeq: strconv.FormatUint(seq, 10)},
		Opts: &jetstream.ObjectMetaOptions{ChunkSize: partBytes},
	}, bytes.NewReader(f.pack()))
	if err != nil {
		return fmt.Errorf("checkpoint: %s: %w", name, err)
	}
	if n, err := objects.Sweep(ctx, s.js, subjects.StoreFiles, objects.Abandoned); err != nil || n > 0 {
		s.log.Info("unfinished objects removed", "store", subjects.StoreFiles, "objects", n, "error", err)
	}
	return nil
}

// Newest is the sequence that the newest checkpoint of a subject claims to cover, 0 if there is none.
func (s *Store) Newest(ctx context.Context, subject string) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	have, err := s.have(ctx, subject)
	if err != nil || len(have) == 0 {
		return 0, err
	}
	return seqOf(have[0]), nil
}

// Load calls use with the newest checkpoint of a subject that is whole and of this log, and then with the older one if use
// returned an error. Why one was not used is said in the log of the program; the only error is that of ctx. State is use's to
// keep.
func (s *Store) Load(ctx context.Context, subject string, use func(seq uint64, state []byte) error) error {
	list, err := s.have(ctx, subject)
	if err != nil {
		return s.without(ctx, subject, err)
	}
	for _, info := range list {
		f, err := s.read(ctx, subject, info)
		if err == nil {
			err = use(f.seq, f.state)
		}
		if err == nil {
			return nil
		}
		if err := s.without(ctx, info.Name, err); err != nil {
			return err
		}
	}
	return nil
}

// without says that a checkpoint is not used. The error is that of ctx.
func (s *Store) without(ctx context.Context, what string, why error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.log.Warn("a checkpoint cannot be used; an older one or the whole log is read instead", "checkpoint", what, "error", why)
	return nil
}

// Subjects lists the subjects that begin with begin and end with end and have checkpoints, as far as the store tells.
func (s *Store) Subjects(ctx context.Context, begin, end string) (map[string]bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	out := map[string]bool{}
	list, err := s.objects.List(ctx)
	if errors.Is(err, jetstream.ErrNoObjectsFound) {
		return out, nil
	}
	for _, info := range list {
		name, ok := strings.CutPrefix(info.Name, prefix)
		if at := strings.LastIndexByte(name, '/'); ok && at >= 0 && strings.HasPrefix(name, begin) && strings.HasSuffix(name[:at], end) {
			out[name[:at]] = true
		}
	}
	return out, err
}

// have lists what there is of a subject, the newest first.
func (s *Store) have(ctx context.Context, subject string) ([]*jetstream.ObjectInfo, error) {
	var out []*jetstream.ObjectInfo
	for _, slot := range slots {
		info, err := s.objects.GetInfo(ctx, prefix+subject+slot)
		switch {
		case err == nil:
			out = append(out, info)
		case !errors.Is(err, jetstream.ErrObjectNotFound):
			return nil, err
		}
	}
	slices.SortStableFunc(out, func(a, b *jetstream.ObjectInfo) int { return cmp.Compare(seqOf(b), seqOf(a)) })
	return out, nil
}

func seqOf(info *jetstream.ObjectInfo) uint64 {
	seq, _ := strconv.ParseUint(info.Metadata[metaSeq], 10, 64) // what it really is says the frame
	return seq
}

// read fetches a checkpoint and makes sure that it is whole and of this log. The store's own reading would wait for parts that
// are gone.
func (s *Store) read(ctx context.Context, subject string, info *jetstream.ObjectInfo) (*frame, error) {
	var data []byte
	for at, n := uint64(1), uint32(0); n < info.Chunks; n++ {
		m, err := s.part(ctx, at, chunks+info.NUID)
		if err != nil {
			return nil, fmt.Errorf("part %d of %d: %w", n+1, info.Chunks, err)
		}
		if data == nil {
			data = make([]byte, 0, min(int(info.Chunks)*len(m.Data), 1<<30)) // the parts are equally long
		}
		data, at = append(data, m.Data...), m.Sequence+1
	}
	f, err := unpack(data)
	if err != nil {
		return nil, err
	}
	if f.subject != subject {
		return nil, fmt.Errorf("%w: it is of %s", ErrForeign, f.subject)
	}
	record, err := s.record(ctx, subject, f.seq)
	if err == nil && record != f.record {
		err = fmt.Errorf("%w: record %d is another one", ErrForeign, f.seq)
	}
	return f, err
}

// part is the next message of an object, from a sequence on.
func (s *Store) part(ctx context.Context, from uint64, subject string) (*jetstream.RawStreamMsg, error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	m, err := s.parts.GetMsg(ctx, from, jetstream.WithGetMsgSubject(subject))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		err = fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return m, err
}

// record is the SHA-256 of when a record was written, and what.
func (s *Store) record(ctx context.Context, subject string, seq uint64) (sum [sha256.Size]byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	m, err := s.leader.GetMsg(s.records, seq, nats.Context(ctx))
	switch {
	case errors.Is(err, nats.ErrMsgNotFound):
		return sum, fmt.Errorf("%w: record %d is not there", ErrForeign, seq)
	case err != nil:
		return sum, err
	case m.Subject != subject:
		return sum, fmt.Errorf("%w: record %d is on %s", ErrForeign, seq, m.Subject)
	}
	return sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, uint64(m.Time.UnixNano())), m.Data...)), nil //nolint:gosec // any bits
}
