package fakevllm

import (
	"fmt"
	"math"
	"time"
)

// Style is how answers in plain text read. Structured answers are the same in every style.
type Style string

// The styles.
const (
	Plain    Style = "plain"    // the answer alone: "42"
	Reasoned Style = "reasoned" // some sentences, then a line "Answer: 42"; not where the prompt wants "nothing else"
)

// Options say what a server is. The zero value is a server without latency or faults that serves the model "fake".
type Options struct {
	Addr          string        // where Start listens; "" is a free port of 127.0.0.1
	Model         string        // the one model it serves; "" is "fake"
	Key           string        // clients must send it as a bearer token on /v1; "" asks for none
	MaxSeqs       int           // sequences that run at a time, the others wait; 0 is 256
	MaxModelLen   int           // tokens of a prompt and its answer together; 0 is 32,768
	MaxBody       int64         // bytes of a request; a longer one is answered with 413; 0 is 64 MiB
	CacheBlocks   int           // blocks of 16 tokens of cache for running sequences and prefixes; 0 is 65,536
	Prefill       time.Duration // time for a prompt token that is not in the prefix cache
	PerToken      time.Duration // time for a token of output
	Style         Style         // "" is Plain
	Tokens        int           // mean length of a reasoned answer, in tokens; 0 is 60. Lengths are spread widely about it
	EmbeddingSize int           // numbers of an embedding; 0 is 64
	NoBatch       bool          // leave out /v1/chat/completions/batch, as servers before vLLM 0.19 do
	OldMetrics    bool          // call the cache metrics gpu_…, as vLLM did before 0.10
	Deterministic bool          // draw from the messages also above temperature 0: equal prompts then get equal answers
	CountPrompts  bool          // keep how often each conversation was asked, for Prompts; it keeps the texts
	Seed          uint64        // of fresh draws and of faults; 0 takes one from the system
	Faults        Faults        // what fails from the start
}

const (
	defaultModel       = "fake"
	defaultMaxSeqs     = 256
	defaultMaxModelLen = 32768
	defaultMaxBody     = 64 << 20
	defaultCacheBlocks = 65536
	defaultTokens      = 60
	defaultEmbedding   = 64
)

// settled are the options with defaults in place, or the reason why they cannot be.
func (o Options) settled() (Options, error) {
	for _, n := range []struct {
		name  string
		value *int
		def   int
	}{
		{"MaxSeqs", &o.MaxSeqs, defaultMaxSeqs},
		{"MaxModelLen", &o.MaxModelLen, defaultMaxModelLen},
		{"CacheBlocks", &o.CacheBlocks, defaultCacheBlocks},
		{"Tokens", &o.Tokens, defaultTokens},
		{"EmbeddingSize", &o.EmbeddingSize, defaultEmbedding},
	} {
		if *n.value < 0 || *n.value > math.MaxInt32 {
			return o, fmt.Errorf("%w: %s is %d", ErrOptions, n.name, *n.value)
		}
		if *n.value == 0 {
			*n.value = n.def
		}
	}
	if o.MaxBody < 0 || o.Prefill < 0 || o.PerToken < 0 {
		return o, fmt.Errorf("%w: MaxBody, Prefill and PerToken cannot be below 0", ErrOptions)
	}
	if o.MaxBody == 0 {
		o.MaxBody = defaultMaxBody
	}
	if o.Model == "" {
		o.Model = defaultModel
	}
	switch o.Style {
	case "":
		o.Style = Plain
	case Plain, Reasoned:
	default:
		return o, fmt.Errorf("%w: there is no style %q", ErrOptions, o.Style)
	}
	return o, o.Faults.check()
}
