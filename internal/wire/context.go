package wire

import (
	"context"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

type chainKey struct{}

// WithChain says in a context which agents wait for what is done with it, outermost first.
func WithChain(ctx context.Context, chain []subjects.Address) context.Context {
	return context.WithValue(ctx, chainKey{}, chain)
}

// Chain returns the agents that wait for what is done with a context. The list is not to be changed.
func Chain(ctx context.Context) []subjects.Address {
	chain, _ := ctx.Value(chainKey{}).([]subjects.Address)
	return chain
}

type pauseKey struct{}

// WithPause puts into the context of an agent's work how to leave its place among those who compute while it waits:
// leave gives the place up and returns how to take one again.
func WithPause(ctx context.Context, leave func() (resume func())) context.Context {
	return context.WithValue(ctx, pauseKey{}, leave)
}

// Wait runs wait, which waits for somebody else, without the place of the context's agent among those who compute.
func Wait[T any](ctx context.Context, wait func() (T, error)) (T, error) {
	if leave, ok := ctx.Value(pauseKey{}).(func() func()); ok {
		resume := leave()
		defer resume()
	}
	return wait()
}
