package msg_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/pkg/msg"
)

func TestNew(t *testing.T) {
	before := time.Now()
	m := msg.New("ann", msg.RoleUser, msg.Text("hello"))
	require.NotEmpty(t, m.ID)
	require.Equal(t, "ann", m.Name)
	require.Equal(t, msg.RoleUser, m.Role)
	require.Equal(t, "hello", m.Content.String())
	require.WithinRange(t, m.Time, before, time.Now())
	require.False(t, m.Pending())
	require.NotEqual(t, m.ID, msg.New("ann", msg.RoleUser, msg.Text("hello")).ID)
}

func TestPromise(t *testing.T) {
	p := msg.Placeholder{Run: "r1", Producer: "h1-a", ID: "x", Expires: time.Unix(100, 0)}
	m := msg.Promise("bob", p)
	require.True(t, m.Pending())
	require.Equal(t, p, *m.Placeholder)
	require.Equal(t, "bob", m.Name)
	require.Equal(t, msg.KindNone, m.Content.Kind())

	require.False(t, p.Expired(time.Unix(100, 0)))
	require.True(t, p.Expired(time.Unix(100, 1)))
	p.Expires = time.Time{}
	require.False(t, p.Expired(time.Unix(1<<40, 0)))
}

func TestContent(t *testing.T) {
	type move struct {
		Card  string  `json:"card"`
		Price float64 `json:"price"`
	}
	data, err := msg.Data(move{"ace <&>", 2.5})
	require.NoError(t, err)
	text, err := msg.Data("plain")
	require.NoError(t, err)
	none, err := msg.Data(nil)
	require.NoError(t, err)

	for _, c := range []struct {
		content msg.Content
		kind    msg.Kind
		text    string
	}{
		{msg.Content{}, msg.KindNone, ""},
		{none, msg.KindNone, ""},
		{msg.Text(""), msg.KindText, ""},
		{msg.Text("hi"), msg.KindText, "hi"},
		{text, msg.KindText, "plain"},
		{data, msg.KindData, `{"card":"ace <&>","price":2.5}`},
	} {
		require.Equal(t, c.kind, c.content.Kind())
		require.Equal(t, c.text, c.content.String())
	}

	var back move
	require.NoError(t, data.Decode(&back))
	require.Equal(t, move{"ace <&>", 2.5}, back)
	var s string
	require.NoError(t, text.Decode(&s))
	require.Equal(t, "plain", s)
	require.ErrorIs(t, data.Decode(&s), msg.ErrInvalid)

	_, err = msg.Data(make(chan int))
	require.ErrorIs(t, err, msg.ErrInvalid)
	_, err = msg.Data(nested(msg.MaxDepth))
	require.NoError(t, err)
	_, err = msg.Data(nested(msg.MaxDepth + 1))
	require.ErrorIs(t, err, msg.ErrTooDeep)
}

// nested is a value of the given depth.
func nested(depth int) any {
	var v any = "core"
	for range depth - 1 {
		v = []any{v}
	}
	return v
}

func TestEncodingOf(t *testing.T) {
	for header, want := range map[string]msg.Encoding{
		"":                                msg.Msgpack,
		"application/msgpack":             msg.Msgpack,
		"application/json":                msg.JSON,
		"Application/JSON; charset=utf-8": msg.JSON,
	} {
		got, err := msg.EncodingOf(header)
		require.NoError(t, err)
		require.Equal(t, want, got, header)
		again, err := msg.EncodingOf(got.ContentType())
		require.NoError(t, err)
		require.Equal(t, want, again)
	}
	for _, header := range []string{"text/plain", "json", ";", "application/json; charset"} {
		_, err := msg.EncodingOf(header)
		require.ErrorIs(t, err, msg.ErrContentType, header)
	}
}
