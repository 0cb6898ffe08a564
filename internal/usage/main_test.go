package usage

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestMain(m *testing.M) { natstest.VerifyMain(m) }

const patience = 20 * time.Second

func bucket(t testing.TB, s *natstest.Server) jetstream.KeyValue {
	t.Helper()
	kv, err := s.JetStream(t).KeyValue(t.Context(), subjects.BucketUsage)
	require.NoError(t, err)
	return kv
}

// open starts a book that is stopped with the test.
func openBook(t testing.TB, kv jetstream.KeyValue, writer string) *Book {
	t.Helper()
	b := NewBook(kv, writer, natstest.Logger(t))
	b.In("EUR")
	require.NoError(t, b.Start(t.Context()))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		_ = b.Stop(ctx) // a test may have taken the server away
	})
	return b
}

// crash ends a book as the death of its process does: nothing is booked or given back.
func (b *Book) crash() {
	b.cancel()
	<-b.ended
	b.mu.Lock()
	b.stopping = true
	b.mu.Unlock()
}

// caps is a budget of tokens for the run.
func caps(seq, tokens uint64) llm.Budget { return llm.Budget{Seq: seq, Run: llm.Cap{Tokens: tokens}} }

func tokens(n uint64) Amount { return Amount{Tokens: n} }

func used(n uint64) Use { return Use{Calls: 1, TokensIn: n} }

// reserve asks until there is an answer, each time it is woken.
func reserve(b *Book, run, model string, budget llm.Budget, need Amount, within time.Duration) (*Hold, error) {
	over := time.NewTimer(within)
	defer over.Stop()
	for {
		wake := make(chan struct{})
		h, err := b.Reserve(run, model, budget, need, func() { close(wake) })
		if !errors.Is(err, ErrWait) {
			return h, err
		}
		select {
		case <-wake: // closing it twice would panic: each is called once
		case <-over.C:
			return nil, ErrWait
		}
	}
}

func hold(t testing.TB, b *Book, run, model string, budget llm.Budget, need Amount) *Hold {
	t.Helper()
	h, err := reserve(b, run, model, budget, need, patience)
	require.NoError(t, err)
	return h
}

func refused(t testing.TB, b *Book, run, model string, budget llm.Budget, need Amount) *Spent {
	t.Helper()
	_, err := reserve(b, run, model, budget, need, patience)
	var spent *Spent
	require.ErrorAs(t, err, &spent)
	return spent
}

func stop(t testing.TB, b *Book) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.NoError(t, b.Stop(ctx))
}

func account(t testing.TB, kv jetstream.KeyValue, run string) Account {
	t.Helper()
	a, err := Read(t.Context(), kv, run)
	require.NoError(t, err)
	return a
}

var quiet = slog.New(slog.DiscardHandler)
