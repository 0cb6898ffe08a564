package llmproxy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

var (
	errForward   = errors.New("bad forward request")
	errBusy      = errors.New(llm.RefusedBusy)
	errUnbounded = errors.New("what it may cost cannot be bounded")
)

// forwardRequest is what a requester sends. The model is written as in a scenario; how to sample belongs into the body.
type forwardRequest struct {
	Model struct {
		Provider  string   `json:"provider"`
		Endpoints []string `json:"endpoints"`
		Model     string   `json:"model"`
		APIKeyEnv string   `json:"api_key_env"`
		Timeout   string   `json:"timeout"`
	} `json:"model"`
	Path string          `json:"path"`
	Body json.RawMessage `json:"body"`
	Run  string          `json:"run"`
}

// forwardCall is a request that can be made.
type forwardCall struct {
	name    string // the scenario's name of the model, by which its use is booked
	served  string // the server's name of it
	run     string // "": nobody pays
	places  []forwardPlace
	path    string
	body    []byte
	timeout time.Duration // for all attempts together
}

// forwardPlace is an endpoint and the key that goes there.
type forwardPlace struct{ url, key string }

// read checks a request.
func (f *forwarder) read(subject string, data []byte) (*forwardCall, error) {
	name, err := subjects.ParseForward(subject)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errForward, err)
	}
	var r forwardRequest
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return nil, fmt.Errorf("%w: %w", errForward, err)
	}
	if d.More() {
		return nil, fmt.Errorf("%w: there is more than one JSON object", errForward)
	}
	m := r.Model
	switch {
	case m.Provider != "openai":
		return nil, fmt.Errorf("%w: only models of provider openai have servers to forward to, not of %q", errForward, m.Provider)
	case len(m.Endpoints) == 0:
		return nil, fmt.Errorf("%w: the model needs endpoints", errForward)
	case r.Path == "":
		return nil, fmt.Errorf(`%w: it needs a path, such as "embeddings"`, errForward)
	case len(r.Body) == 0 || r.Body[0] != '{':
		return nil, fmt.Errorf("%w: the body is not a JSON object", errForward)
	}
	c := &forwardCall{name: name, run: r.Run, path: r.Path, timeout: f.cfg.Timeout}
	if m.Timeout != "" {
		if c.timeout, err = time.ParseDuration(m.Timeout); err != nil || c.timeout <= 0 {
			return nil, fmt.Errorf("%w: timeout %q is not a time such as 30s", errForward, m.Timeout)
		}
	}
	if c.places, err = f.places(m.Endpoints, m.APIKeyEnv); err != nil {
		return nil, err
	}
	return c, c.fill(r.Body, m.Model)
}

// places checks who may be asked, and with which key.
func (f *forwarder) places(endpoints []string, variable string) ([]forwardPlace, error) {
	var list []forwardPlace
	for _, raw := range endpoints {
		u, err := f.cfg.endpointURL(raw)
		if err != nil {
			return nil, err
		}
		key, err := f.keys.key(u, variable)
		if err != nil {
			return nil, err
		}
		if at := (forwardPlace{strings.TrimRight(u.String(), "/"), key}); !slices.Contains(list, at) {
			list = append(list, at)
		}
	}
	return list, nil
}

// fill sets the body, with the server's name of the model if it has none.
func (c *forwardCall) fill(body []byte, model string) error {
	c.body, c.served = body, model
	if own := gjson.GetBytes(body, "model"); own.Exists() {
		c.served = own.String()
		return nil
	}
	if model == "" {
		return nil // some servers have one model and ask for no name
	}
	quoted, err := json.Marshal(model)
	if err != nil {
		return fmt.Errorf("%w: %w", errForward, err)
	}
	tail := bytes.TrimLeft(body[1:], " \t\r\n")
	c.body = slices.Concat([]byte(`{"model":`), quoted)
	if tail[0] != '}' {
		c.body = append(c.body, ',')
	}
	c.body = append(c.body, tail...)
	return nil
}

// repeatable reports a path that only reads what it is given: asking twice makes nothing twice. Others are not known.
func (c *forwardCall) repeatable() bool {
	switch path.Base(c.path) {
	case "embeddings", "rerank", "score", "classify", "pooling", "moderations", "tokenize", "detokenize":
		return true
	}
	return false
}

// upper is the most tokens that one attempt can be billed for, where that is known: embeddings of texts have no more
// tokens than bytes, and no answer. Other calls may make something, read texts many times, or read images.
func (c *forwardCall) upper() (uint64, error) {
	input := gjson.GetBytes(c.body, "input")
	texts := 0
	switch {
	case path.Base(c.path) != "embeddings" || gjson.GetBytes(c.body, "messages").Exists():
	case input.Type == gjson.String:
		texts = 1
	case input.IsArray():
		texts = len(input.Array())
		for _, e := range input.Array() {
			if e.Type != gjson.String && e.Type != gjson.Number && !e.IsArray() {
				texts = 0 // images, where a model takes them
			}
		}
	}
	if texts == 0 {
		return 0, fmt.Errorf("%w: under a budget only embeddings of texts are passed through, not %q", errUnbounded, c.path)
	}
	return usage.Upper(len(c.body), texts, 0), nil
}
