package scenario_test

import (
	"encoding/base64"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/scenario"
)

func TestAttachmentCheck(t *testing.T) {
	image, audio := scenario.Attachment{Kind: scenario.AttachImage}, scenario.Attachment{Kind: scenario.AttachAudio}
	for _, url := range []string{"http://a", "https://a.b:8443/c%20d?e=f&g#h", "http://[::1]/x.png", "https://münchen.example/ü.jpg"} {
		require.NoError(t, image.Check(url), url)
		require.NoError(t, audio.Check(url), url)
	}
	require.NoError(t, image.Check("data:image/svg+xml;base64,AA=="))
	require.NoError(t, audio.Check("data:audio/mpeg;rate=8000;base64,+/9a"))
	for _, url := range []string{
		"", "a", "http:", "http://", "//a/b", "ftp://a/b", "javascript:alert(1)", "http://a/\"", "http://a/\\", "http://a b", "http://a/\n", "http://a/\xff",
		"http://a/{x}", "http://a/\x7f", "http://a:b@c/", "data:", "data:image/png;base64,", "data:image/png;base64,A===", "data:image/png;base64,AA=A",
		"data:image/png;base64,A-_=", "data:image/;base64,AAAA", "data:image/p/g;base64,AAAA", "data:image;base64,AAAA", "data:;base64,AAAA", "data:image/png,AAAA",
	} {
		require.ErrorIs(t, image.Check(url), scenario.ErrAttachment, "%q", url)
	}
	require.ErrorIs(t, audio.Check("data:image/png;base64,AAAA"), scenario.ErrAttachment)
}

// Data passes if and only if it is base64.
func TestAttachedDataIsBase64(t *testing.T) {
	image := scenario.Attachment{Kind: scenario.AttachImage}
	rapid.Check(t, func(t *rapid.T) {
		data := rapid.OneOf(
			rapid.StringMatching(`[A-Za-z0-9+/=_-]{0,12}`),
			rapid.Map(rapid.SliceOf(rapid.Byte()), base64.StdEncoding.EncodeToString),
		).Draw(t, "data")
		_, err := base64.StdEncoding.DecodeString(data)
		require.Equal(t, err == nil && data != "", image.Check("data:image/png;base64,"+data) == nil, data)
	})
}
