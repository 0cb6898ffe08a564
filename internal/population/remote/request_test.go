package remote_test

import (
	"context"
	"errors"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// bgen answers requests in place of the service.
func bgen(t *testing.T, nc *nats.Conn, answer func(m *nats.Msg)) {
	sub, err := nc.Subscribe(subjects.Service("bgen", "populate"), answer)
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
	t.Cleanup(func() { require.NoError(t, sub.Unsubscribe()) })
}

func TestRequest(t *testing.T) {
	nc := natstest.Start(t).Connect(t)

	t.Run("nobody", func(t *testing.T) {
		_, err := remote.Request(t.Context(), nc, spec(5), nil)
		require.ErrorIs(t, err, remote.ErrUnavailable)
	})
	t.Run("bad spec", func(t *testing.T) {
		_, err := remote.Request(t.Context(), nc, population.Spec{}, nil)
		require.ErrorIs(t, err, remote.ErrRefused)
		require.ErrorIs(t, err, population.ErrSpec)
	})
	t.Run("progress and reply", func(t *testing.T) {
		want := remote.Reply{V: remote.Version, Hash: "h", Bytes: 3}
		bgen(t, nc, func(m *nats.Msg) {
			q, err := remote.Msgpack.DecodeQuery(m.Data)
			if err != nil || q.Spec.Hash() != spec(5).Hash() {
				return
			}
			data, _ := remote.JSON.Marshal(want)
			for _, text := range []string{remote.FormatProgress(0, 0), "nonsense", remote.FormatProgress(3, 5)} {
				_ = m.RespondMsg(&nats.Msg{Header: nats.Header{remote.HeaderProgress: {text}}})
			}
			_ = m.RespondMsg(&nats.Msg{Data: data, Header: nats.Header{subjects.HeaderContentType: {subjects.ContentJSON}}})
		})
		var seen [][2]int
		got, err := remote.Request(t.Context(), nc, spec(5), func(done, total int) { seen = append(seen, [2]int{done, total}) })
		require.NoError(t, err)
		require.Equal(t, want, got)
		require.Equal(t, [][2]int{{0, 0}, {3, 5}}, seen)
	})
	t.Run("errors", func(t *testing.T) {
		for code, want := range map[string]error{
			remote.CodeBad: remote.ErrRefused, remote.CodeType: remote.ErrRefused, remote.CodeBusy: remote.ErrUnavailable,
			remote.CodeInternal: remote.ErrUnavailable, remote.CodeUnavailable: remote.ErrUnavailable,
		} {
			t.Run(code, func(t *testing.T) {
				bgen(t, nc, func(m *nats.Msg) {
					_ = m.RespondMsg(&nats.Msg{Header: nats.Header{micro.ErrorHeader: {"because"}, micro.ErrorCodeHeader: {code}}})
				})
				_, err := remote.Request(t.Context(), nc, spec(5), nil)
				require.ErrorIs(t, err, want)
				require.ErrorContains(t, err, "because")
			})
		}
	})
	t.Run("nonsense", func(t *testing.T) {
		bgen(t, nc, func(m *nats.Msg) { _ = m.Respond([]byte("what?")) })
		_, err := remote.Request(t.Context(), nc, spec(5), nil)
		require.ErrorIs(t, err, remote.ErrPayload)
	})
	t.Run("lost", func(t *testing.T) {
		bgen(t, nc, func(m *nats.Msg) {
			_ = m.RespondMsg(&nats.Msg{Header: nats.Header{remote.HeaderProgress: {"0/0"}}})
		})
		heard := false
		_, err := remote.Request(t.Context(), nc, spec(5), func(int, int) { heard = true })
		require.ErrorIs(t, err, remote.ErrLost)
		require.True(t, heard)
	})
	t.Run("given up", func(t *testing.T) {
		enough := errors.New("enough")
		ctx, cancel := context.WithCancelCause(t.Context())
		bgen(t, nc, func(*nats.Msg) { cancel(enough) })
		_, err := remote.Request(ctx, nc, spec(5), nil)
		require.ErrorIs(t, err, enough)
	})
}
