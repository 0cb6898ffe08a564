package scenario

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/myriad-sim/myriad/internal/template"
)

// Kinds of attachments.
const (
	AttachImage = "image"
	AttachAudio = "audio"
)

// ErrAttachment reports a URL that cannot be attached to a question.
var ErrAttachment = errors.New("not a URL that can be attached")

// Attachment is an image or a sound that goes with a question. Its URL is rendered as the question is; one that is empty
// for an agent is left out.
type Attachment struct {
	Kind string // AttachImage or AttachAudio
	URL  *template.Template
}

// Check refuses what is not the URL of such an attachment: http or https with a host, or data: with an image or a sound in
// base64. What passes stands in JSON as it is, without escapes. The error wraps ErrAttachment.
func (a Attachment) Check(text string) error {
	if i := strings.IndexFunc(text, forbidden); i >= 0 || !utf8.ValidString(text) {
		return refused(text, "it has a character that no URL has")
	}
	if inside, ok := strings.CutPrefix(text, "data:"); ok {
		return a.checkData(text, inside)
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "":
		return refused(text, "want http://, https:// or data:")
	case u.User != nil:
		return refused(u.Host, "it must not hold a password")
	}
	return nil
}

// checkData checks what follows data: in a URL.
func (a Attachment) checkData(whole, inside string) error {
	media, data, _ := strings.Cut(inside, ",")
	kind, encoded := strings.CutSuffix(media, ";base64")
	kind, _, _ = strings.Cut(kind, ";")
	family, subtype, _ := strings.Cut(kind, "/")
	switch {
	case family != a.Kind || subtype == "" || strings.Trim(subtype, subtypeChars) != "":
		return refused(whole, "want data:"+a.Kind+"/…")
	case !encoded || !base64ed(data):
		return refused(whole, "want ;base64, and the data in base64")
	}
	return nil
}

const subtypeChars = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.+-"

// base64ed reports whether s is standard base64 with its padding. It decodes nothing: pictures are large.
func base64ed(s string) bool {
	digits := strings.TrimRight(s, "=")
	if digits == "" || len(s)%4 != 0 || len(s)-len(digits) > 2 {
		return false
	}
	for i := range len(digits) {
		switch c := digits[i]; {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/':
		default:
			return false
		}
	}
	return true
}

func forbidden(c rune) bool { return c <= ' ' || c == 0x7f || strings.ContainsRune("\"\\<>{}`", c) }

func refused(text, why string) error {
	return fmt.Errorf("%q is %w: %s", clipped(text), ErrAttachment, why)
}

// source is what an attachment with one key says.
func (doc attachDoc) source() (kind string, src prose) {
	if doc.Audio.set() {
		return AttachAudio, doc.Audio
	}
	return AttachImage, doc.Image
}

// attachments compiles what goes with a question.
func (r *resolver) attachments(docs []attachDoc) []Attachment {
	var out []Attachment
	for _, doc := range docs {
		if doc.at != nil && (len(doc.at.entries) == 0 || doc.Image.set() && doc.Audio.set()) {
			r.at(doc.at, "an attachment is one image or one audio")
			continue
		}
		kind, src := doc.source()
		if url := r.template(src); url != nil {
			out = append(out, Attachment{Kind: kind, URL: url})
		}
	}
	return out
}
