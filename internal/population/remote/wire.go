package remote

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Version is the version of all payloads here. Fields are only ever added.
const Version = 1

// Endpoint is the name of bgen's endpoint.
const Endpoint = "populate"

// HeaderProgress marks a partial reply: "done/total" in drawn categories, "0/0" before the work has begun.
const HeaderProgress = "Myriad-Progress"

// ContentMsgpack is the content type of msgpack, which is also what a payload without one is.
const ContentMsgpack = "application/msgpack"

// Codes of a Failure, as in HTTP.
const (
	CodeBad         = "400" // the payload or the spec is wrong
	CodeType        = "415" // the content type is unknown
	CodeBusy        = "429" // too many requests are waiting; again later
	CodeInternal    = "500" // the population could not be drawn or stored
	CodeUnavailable = "503" // bgen is stopping; another one may take it
)

// Query asks for a population.
type Query struct {
	V    int             `json:"v"`
	Spec population.Spec `json:"spec"`
}

// Reply says where the population is.
type Reply struct {
	V           int                    `json:"v"`
	Hash        string                 `json:"hash"`   // Spec.Hash; what Load takes
	Object      string                 `json:"object"` // name in subjects.StorePersonas
	Bytes       int                    `json:"bytes"`  // size of the object
	Certificate population.Certificate `json:"certificate"`
	Reused      bool                   `json:"reused"` // it was stored already
}

// Failure is the payload of an error reply.
type Failure struct {
	V     int    `json:"v"`
	Code  string `json:"code"`
	Error string `json:"error"`
}

// Format is how a payload is encoded.
type Format uint8

// The formats.
const (
	Msgpack Format = iota
	JSON
)

// ParseFormat reads a Content-Type header; "" is msgpack. Error: ErrPayload.
func ParseFormat(contentType string) (Format, error) {
	if contentType == "" {
		return Msgpack, nil
	}
	kind, _, err := mime.ParseMediaType(contentType)
	if err == nil {
		switch kind {
		case subjects.ContentJSON:
			return JSON, nil
		case ContentMsgpack, "application/x-msgpack", "application/vnd.msgpack":
			return Msgpack, nil
		}
	}
	return Msgpack, fmt.Errorf("%w: content type %.80q, want %q or %q", ErrPayload, contentType, subjects.ContentJSON, ContentMsgpack)
}

// ContentType is the header that names the format.
func (f Format) ContentType() string {
	if f == JSON {
		return subjects.ContentJSON
	}
	return ContentMsgpack
}

// Marshal encodes a Query, Reply or Failure.
func (f Format) Marshal(v any) ([]byte, error) {
	if f == JSON {
		return json.Marshal(v)
	}
	var b bytes.Buffer
	enc := msgpack.NewEncoder(&b)
	enc.SetCustomStructTag("json")
	enc.UseCompactInts(true)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// DecodeQuery reads a request. A field it does not know is an error, because what it asks for would not be done.
// Error: ErrPayload.
func (f Format) DecodeQuery(data []byte) (Query, error) {
	var q Query
	if err := f.decode(data, &q, true); err != nil {
		return Query{}, err
	}
	if q.V != Version {
		return Query{}, fmt.Errorf("%w: version %d, this binary knows %d", ErrPayload, q.V, Version)
	}
	return q, nil
}

// DecodeReply reads an answer; fields it does not know are skipped. Error: ErrPayload.
func (f Format) DecodeReply(data []byte) (Reply, error) {
	var r Reply
	if err := f.decode(data, &r, false); err != nil {
		return Reply{}, err
	}
	if r.V != Version {
		return Reply{}, fmt.Errorf("%w: version %d, this binary knows %d", ErrPayload, r.V, Version)
	}
	return r, nil
}

func (f Format) decode(data []byte, into any, strict bool) error {
	r := bytes.NewReader(data)
	var err, rest error
	if f == JSON {
		dec := json.NewDecoder(r)
		if strict {
			dec.DisallowUnknownFields()
		}
		err = dec.Decode(into)
		_, rest = dec.Token()
	} else {
		if err := checkClaims(data); err != nil {
			return fmt.Errorf("%w: %w", ErrPayload, err)
		}
		dec := msgpack.NewDecoder(r)
		dec.SetCustomStructTag("json")
		dec.DisallowUnknownFields(strict)
		err = dec.Decode(into)
		_, rest = r.ReadByte()
	}
	if err != nil {
		return fmt.Errorf("%w: %w", ErrPayload, err)
	}
	if !errors.Is(rest, io.EOF) {
		return fmt.Errorf("%w: there is something behind its end", ErrPayload)
	}
	return nil
}
