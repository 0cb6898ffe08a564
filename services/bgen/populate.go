package bgen

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// keepalive is how often a requester hears from its request. What takes less is answered in one message, which is all
// that simple clients wait for.
const keepalive = time.Second

// job is a request that was taken on.
type job struct {
	spec        population.Spec
	hash        string
	format      remote.Format
	reply       string // where the replies go
	done, total atomic.Int64
}

// accept checks a request, refuses it or hands it to a goroutine of its own. The micro library reads the request once
// this has returned, so what comes later is not sent through it.
func (s *Service) accept(ctx context.Context, req micro.Request) {
	if req.Reply() == "" {
		s.log.Warn("request without a reply subject ignored")
		return
	}
	format, err := remote.ParseFormat(req.Headers().Get(subjects.HeaderContentType))
	if err != nil {
		s.refuse(req, format, remote.CodeType, err)
		return
	}
	query, err := format.DecodeQuery(req.Data())
	if err == nil {
		err = query.Spec.Validate()
	}
	if err != nil {
		s.refuse(req, format, remote.CodeBad, err)
		return
	}
	j := &job{spec: query.Spec, hash: query.Spec.Hash(), format: format, reply: req.Reply()}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.stopping:
		s.refuse(req, format, remote.CodeUnavailable, errStopping)
	case s.admitted >= s.cfg.Workers+s.cfg.Queue:
		s.refuse(req, format, remote.CodeBusy, errBusy)
	default:
		s.admitted++
		s.work.Go(func() { s.serve(ctx, j) })
	}
}

var errBusy = errors.New("too many populations are being drawn; ask again")

// refuse answers a request that was not taken on.
func (s *Service) refuse(req micro.Request, format remote.Format, code string, cause error) {
	s.usage.refused.Add(1)
	m := failure(format, code, cause)
	if err := req.Error(code, headerText(cause), m.Data, micro.WithHeaders(micro.Headers(m.Header))); err != nil {
		s.log.Warn("refusal not sent", "error", err)
	}
}

// serve sees a request through and keeps its requester informed.
func (s *Service) serve(ctx context.Context, j *job) {
	finished := make(chan *nats.Msg, 1)
	s.work.Go(func() { finished <- s.answer(ctx, j) })
	beat := time.NewTicker(keepalive)
	defer beat.Stop()
	for {
		select {
		case m := <-finished:
			// Whoever has the answer may ask again at once, so there must be room first.
			s.mu.Lock()
			s.admitted--
			s.mu.Unlock()
			s.send(j, m)
			return
		case <-beat.C:
			s.send(j, &nats.Msg{Header: nats.Header{
				remote.HeaderProgress: {remote.FormatProgress(int(j.done.Load()), int(j.total.Load()))},
			}})
		}
	}
}

func (s *Service) send(j *job, m *nats.Msg) {
	m.Subject = j.reply
	if err := s.nc.PublishMsg(m); err != nil {
		s.log.Warn("reply not sent", "population", j.hash, "error", err)
	}
}

// answer is the last reply to a request.
func (s *Service) answer(ctx context.Context, j *job) *nats.Msg {
	began := time.Now()
	r, err := s.populate(ctx, j)
	var data []byte
	if err == nil {
		data, err = j.format.Marshal(r)
	}
	if err != nil {
		s.usage.failed.Add(1)
		s.log.Error("population not drawn", "population", j.hash, "size", j.spec.Size, "error", err)
		if errors.Is(err, errStopping) {
			return failure(j.format, remote.CodeUnavailable, err)
		}
		return failure(j.format, remote.CodeInternal, err)
	}
	s.usage.count(r)
	s.log.Info("population ready", "population", j.hash, "size", j.spec.Size, "bytes", r.Bytes, "reused", r.Reused,
		"took", time.Since(began))
	return &nats.Msg{Data: data, Header: nats.Header{subjects.HeaderContentType: {j.format.ContentType()}}}
}

// populate finds or makes the stored population of a job.
func (s *Service) populate(ctx context.Context, j *job) (remote.Reply, error) {
	// Two requests for the same population would draw it twice and replace each other's object.
	release := s.drawing.acquire(j.hash)
	defer release()
	select {
	case s.workers <- struct{}{}:
		defer func() { <-s.workers }()
	case <-ctx.Done():
		return remote.Reply{}, context.Cause(ctx)
	}
	p, size, err := s.stored(ctx, j.hash)
	reused := err == nil
	if absent := errors.Is(err, remote.ErrNotFound); !reused {
		if p, err = population.Draw(ctx, j.spec, func(done, total int) {
			j.total.Store(int64(total))
			j.done.Store(int64(done))
		}); err != nil {
			return remote.Reply{}, err
		}
		if absent { // another bgen may have been asked too; what it has stored is not stored again
			_, size, err = s.stored(ctx, j.hash)
			reused = err == nil
		}
		if !reused {
			if size, err = s.put(ctx, p); err != nil {
				return remote.Reply{}, err
			}
		}
	}
	return remote.Reply{
		V: remote.Version, Hash: j.hash, Object: j.hash, Bytes: size, Certificate: p.Certificate(), Reused: reused,
	}, nil
}

// stored reads the population of a hash. That it cannot be read is no failure: it can be drawn again.
func (s *Service) stored(ctx context.Context, hash string) (*population.Population, int, error) {
	ctx, cancel := context.WithTimeout(ctx, s.cfg.StoreTimeout)
	defer cancel()
	p, size, err := remote.Fetch(ctx, s.store, hash)
	if err != nil && !errors.Is(err, remote.ErrNotFound) {
		s.log.Warn("stored population is drawn again", "population", hash, "error", err)
	}
	return p, size, err
}

func (s *Service) put(ctx context.Context, p *population.Population) (int, error) {
	limited, cancel := context.WithTimeout(ctx, s.cfg.StoreTimeout)
	defer cancel()
	_, size, err := remote.Store(limited, s.store, p)
	if err != nil && ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return size, err
}
