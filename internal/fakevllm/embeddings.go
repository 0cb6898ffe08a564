package fakevllm

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// embed answers a request for embeddings. Texts that share words have vectors that are near each other.
func (j *job) embed(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Model      *string         `json:"model"`
		Input      json.RawMessage `json:"input"`
		Encoding   *string         `json:"encoding_format"`
		Dimensions *int            `json:"dimensions"`
	}
	if !utf8.Valid(j.body) {
		return plainRefusal(http.StatusBadRequest, "Bad Request", "There was an error parsing the body")
	}
	if err := json.Unmarshal(j.body, &in); err != nil {
		return invalid("", "json_invalid", "JSON decode error")
	}
	if in.Model != nil && *in.Model != j.s.opts.Model {
		return noModel(*in.Model)
	}
	texts, counts, err := readInputs(in.Input)
	if err != nil {
		return err
	}
	size := j.s.opts.EmbeddingSize
	if in.Dimensions != nil {
		if *in.Dimensions < 1 || *in.Dimensions > size {
			return badRequest("dimensions", "dimensions must be from 1 to %d, got %d.", size, *in.Dimensions)
		}
		size = *in.Dimensions
	}
	encoding := "float"
	if in.Encoding != nil {
		encoding = *in.Encoding
	}
	if encoding != "float" && encoding != "base64" {
		return invalid("encoding_format", "literal_error", "Input should be 'float' or 'base64'")
	}
	j.s.tally.enter(len(texts))
	defer j.s.tally.leave(len(texts))
	j.req.maxTokens = 0
	if done, err := j.failEarly(w, r); done {
		return err
	}
	seqs := make([]sequence, len(texts))
	total := 0
	for i, n := range counts {
		if n > j.s.opts.MaxModelLen {
			return tooLong(j.s.opts.MaxModelLen, n, 0)
		}
		seqs[i].prompt = n
		total += n
	}
	g := newGroup(seqs, false)
	j.s.engine.submit(g)
	if err := j.wait(r, g); err != nil {
		return err
	}
	j.answers = j.answers[:0] // embeddings are no completions
	b := append(j.appendID(append(j.out[:0], `{"id":"`...), "embd-"), `","object":"list","created":`...)
	b = append(strconv.AppendInt(b, time.Now().Unix(), 10), `,"model":`...)
	b = append(appendString(b, []byte(j.s.opts.Model)), `,"data":[`...)
	for i, text := range texts {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(strconv.AppendInt(append(b, `{"index":`...), int64(i), 10), `,"object":"embedding","embedding":`...)
		b = append(appendVector(b, j.vector(text, size), encoding), '}')
	}
	j.out = append(appendUsage(append(b, `],"usage":`...), total, 0), '}')
	return j.send(w, r, j.out)
}

// readInputs reads a text, a list of texts, a list of tokens or a list of lists of tokens.
func readInputs(raw json.RawMessage) (texts []string, tokens []int, err error) {
	if raw == nil {
		return nil, nil, invalid("input", "missing", "Field required")
	}
	var one string
	var many []string
	var list []uint32
	var lists [][]uint32
	switch {
	case raw[0] == '"' && json.Unmarshal(raw, &one) == nil:
		texts = []string{one}
	case json.Unmarshal(raw, &many) == nil:
		texts = many
	case json.Unmarshal(raw, &list) == nil:
		lists = [][]uint32{list}
	default:
		if json.Unmarshal(raw, &lists) != nil {
			return nil, nil, invalid("input", "string_type", "Input should be a valid string, a list of strings or tokens")
		}
	}
	for _, t := range texts {
		tokens = append(tokens, textTokens(len(t))+1)
	}
	for _, l := range lists {
		var b strings.Builder
		for _, id := range l {
			b.WriteString(strconv.Itoa(int(id)) + " ")
		}
		texts, tokens = append(texts, b.String()), append(tokens, len(l))
	}
	if len(texts) == 0 {
		return nil, nil, invalid("input", "too_short", "List should have at least 1 item after validation, not 0")
	}
	return texts, tokens, nil
}

// vector is a unit vector: the sum of a direction of the text and one of each of its words.
func (j *job) vector(text string, size int) []float64 {
	v := make([]float64, size)
	add := func(word string, weight float64) {
		d := dice{key: j.s.same, subject: mix(hashText(word), hashText(j.s.opts.Model))}
		for i := range v {
			v[i] += weight * (d.float() + d.float() + d.float() - 1.5)
		}
	}
	add(text, 0.2)
	for word := range strings.FieldsSeq(strings.ToLower(text)) {
		add(word, 1)
	}
	norm := 0.0
	for _, x := range v {
		norm += x * x
	}
	norm = math.Sqrt(norm)
	for i := range v {
		v[i] /= norm
	}
	return v
}

func appendVector(b []byte, v []float64, encoding string) []byte {
	if encoding == "base64" {
		raw := make([]byte, 0, 4*len(v))
		for _, x := range v {
			raw = binary.LittleEndian.AppendUint32(raw, math.Float32bits(float32(x)))
		}
		return append(base64.StdEncoding.AppendEncode(append(b, '"'), raw), '"')
	}
	b = append(b, '[')
	for i, x := range v {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(float32(x)), 'g', -1, 32)
	}
	return append(b, ']')
}
