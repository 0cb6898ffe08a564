package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPreviewShowsAttachments(t *testing.T) {
	none, err := attachments(nil)
	require.NoError(t, err)
	require.Empty(t, none)
	long := strings.Repeat("A", 4000)
	got, err := attachments([]byte(`[{"type":"image_url","image_url":{"url":"https://x/` + long + `"}},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + long + `"}},` +
		`{"type":"input_audio","input_audio":{"data":"AAAA","format":"wav"}},{"type":"audio_url","audio_url":{"url":"http://x/y.mp3"}}]`))
	require.NoError(t, err)
	require.Equal(t, "+ image_url: https://x/"+long+"\n+ image_url: data:image/png;base64,"+long[:78]+"… (4022 bytes)\n"+
		"+ input_audio: wav, AAAA\n+ audio_url: http://x/y.mp3\n", got)
}
