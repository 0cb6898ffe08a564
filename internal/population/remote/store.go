package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Load reads the population stored under a hash and checks that it is the one. It waits until ctx ends, or 5 s where ctx
// has no deadline. Errors: ErrNotFound, ErrMismatch, population.ErrDamaged, population.ErrVersion, or the store's.
func Load(ctx context.Context, js jetstream.JetStream, hash string) (*population.Population, error) {
	store, err := js.ObjectStore(ctx, subjects.StorePersonas)
	if err != nil {
		return nil, fmt.Errorf("population %.16s: store %s: %w", hash, subjects.StorePersonas, err)
	}
	p, _, err := Fetch(ctx, store, hash)
	return p, err
}

// Fetch is Load with a store at hand. It also gives the size of the stored object in bytes.
func Fetch(ctx context.Context, store jetstream.ObjectStore, hash string) (*population.Population, int, error) {
	data, err := store.GetBytes(ctx, hash)
	switch {
	case errors.Is(err, jetstream.ErrObjectNotFound), errors.Is(err, jetstream.ErrNameRequired):
		return nil, 0, fmt.Errorf("%w: %.16q", ErrNotFound, hash)
	case errors.Is(err, jetstream.ErrDigestMismatch):
		return nil, 0, fmt.Errorf("population %.16s: %w: %w", hash, population.ErrDamaged, err)
	case err != nil:
		return nil, 0, fmt.Errorf("population %.16s: %w", hash, err)
	}
	p, err := population.Decode(data)
	if err != nil {
		return nil, 0, fmt.Errorf("population %.16s: %w", hash, err)
	}
	if got := p.Spec().Hash(); got != hash {
		return nil, 0, fmt.Errorf("%w: %.16s holds %.16s", ErrMismatch, hash, got)
	}
	return p, len(data), nil
}

// Store puts the population into the store under its hash, in place of what may be there, and returns the hash and the
// size in bytes. A reader that is under way while something is replaced gets an error, never a mixture.
func Store(ctx context.Context, store jetstream.ObjectStore, p *population.Population) (hash string, size int, err error) {
	hash = p.Spec().Hash()
	data := p.Encode()
	meta := jetstream.ObjectMeta{Name: hash, Description: fmt.Sprintf("population of %d", p.Size())}
	if _, err := store.Put(ctx, meta, bytes.NewReader(data)); err != nil {
		return "", 0, fmt.Errorf("population %.16s: store: %w", hash, err)
	}
	return hash, len(data), nil
}
