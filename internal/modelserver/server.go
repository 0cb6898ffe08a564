package modelserver

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"path"
	"strings"
	"sync"
	"sync/atomic"
)

// Settings are what a Server is made from.
type Settings struct {
	URL  string       // base URL, as http://host:8000/v1
	Key  string       // sent as bearer token, "" for none; it appears in no error
	HTTP *http.Client // not nil; redirects are not followed, whatever it says of them
}

// Server is one model server with the key that goes there. It may be used by many goroutines at once; the connections of
// the HTTP client stay the caller's. A Server needs no closing.
type Server struct {
	http   *http.Client
	key    string
	host   string
	base   *url.URL
	broken string // why the base URL is none

	chat, batch, health, models, metrics route

	getHeader, postHeader http.Header // read only
	noMetrics             atomic.Bool

	batches          outgoings
	answers, results sync.Pool // of *incoming, for single calls and for batches
}

// incoming is what a response is read into and taken apart in. It is used again and again.
type incoming struct {
	body   []byte
	reply  reply
	shares []share
}

// Most bytes of buffers that are kept for another call.
const (
	keepChat  = 64 << 10
	keepBatch = 8 << 20
)

// New makes the client of a server. Nothing is sent. A URL that is none is told of by the calls.
func New(set Settings) *Server {
	client := *set.HTTP
	// A redirect could carry prompts, and on some hosts the key, to where nobody allowed them.
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	s := &Server{http: &client, key: set.Key, host: "?", batches: outgoings{most: keepBatch}}
	base, err := url.Parse(set.URL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		s.broken = "the base URL is not an http or https URL"
		return s
	}
	if base.Path == "" {
		base.Path = "/"
	}
	s.base, s.host = base, base.Host
	s.chat = route{url: base.JoinPath("chat/completions"), most: maxChat}
	s.batch = route{url: base.JoinPath("chat/completions/batch"), most: maxBatch, optional: true}
	s.models = route{most: maxMetrics}
	// Servers have these beside the versioned path, as /health beside /v1.
	s.health = route{url: beside(base, "health"), most: maxMetrics, optional: true}
	s.metrics = route{url: beside(base, "metrics"), most: maxMetrics, optional: true}
	s.getHeader = http.Header{"Accept": {"application/json, text/plain, */*"}, "User-Agent": {"myriad"}}
	if s.key != "" {
		s.getHeader.Set("Authorization", "Bearer "+s.key)
	}
	s.postHeader = s.getHeader.Clone()
	s.postHeader.Set("Content-Type", "application/json")
	return s
}

func beside(base *url.URL, name string) *url.URL {
	u := *base
	u.Path, u.RawPath = path.Join("/", path.Dir(strings.TrimRight(base.Path, "/")), name), ""
	return &u
}

// Chat asks for the completion of one conversation. Errors are of type *Error. With an error of kind Rejected or
// Malformed the completion still carries the tokens that the server counted.
func (s *Server) Chat(ctx context.Context, p *Params, c Conversation) (Completion, error) {
	body := single(&c)
	var err error
	if body.data, err = appendChat(body.data, p, &c); err != nil {
		return Completion{}, s.unsendable(err)
	}
	in, err := s.ask(ctx, &s.chat, body, &s.answers, 1)
	if err != nil {
		return Completion{}, err
	}
	defer in.giveBack(&s.answers, keepChat)
	done := Completion{TokensIn: narrow(in.reply.in), TokensOut: narrow(in.reply.out), Served: in.reply.served(p)}
	s.complete(&done, in.reply.choices[0], string(in.reply.texts))
	return done, done.Err
}

// Batch asks for the completions of several conversations together. One conversation's completion may carry an error of
// its own; an error of Batch, of type *Error, is about all of them. The texts of a batch share memory.
func (s *Server) Batch(ctx context.Context, p *Params, list []Conversation) (Batch, error) {
	if len(list) == 0 {
		return Batch{}, nil
	}
	body := s.batches.get()
	defer body.release()
	var err error
	if body.data, body.sizes, err = appendBatch(body.data, body.sizes, p, list); err != nil {
		return Batch{}, s.unsendable(err)
	}
	in, err := s.ask(ctx, &s.batch, body, &s.results, len(list))
	if err != nil {
		return Batch{}, err
	}
	defer in.giveBack(&s.results, keepBatch)
	return s.batchOf(in, p, body.sizes), nil
}

// batchOf takes the completions out of a response to conversations of the given sizes.
func (s *Server) batchOf(in *incoming, p *Params, sizes []int) Batch {
	r := &in.reply
	b := Batch{Completions: make([]Completion, len(r.choices)), TokensIn: r.in, TokensOut: r.out}
	texts, served := string(r.texts), r.served(p)
	for i, c := range r.choices {
		b.Completions[i].Served = served
		s.complete(&b.Completions[i], c, texts)
	}
	in.share(b.Completions, sizes)
	return b
}

// ask posts a body and reads a response with n choices. Room for it is taken when the response begins, which may be
// minutes after the call.
func (s *Server) ask(ctx context.Context, r *route, body *outgoing, pool *sync.Pool, n int) (*incoming, error) {
	a, err := s.begin(ctx, r, body)
	if err != nil {
		return nil, err
	}
	in, ok := pool.Get().(*incoming)
	if !ok {
		in = &incoming{}
	}
	got, err := s.finish(ctx, r, a, in.body)
	if err != nil {
		return nil, err
	}
	in.body = got.body
	if err := in.reply.read(got.body, n); err != nil {
		return nil, s.malformed(got.status, err)
	}
	return in, nil
}

// complete takes a completion out of a response whose texts are given.
func (s *Server) complete(done *Completion, c choice, texts string) {
	at := c.text
	if at.empty() {
		at = c.refusal
	}
	switch {
	case c.finish == finishedFiltered:
		done.Err = &Error{Kind: Rejected, Status: http.StatusOK, Text: s.line("the server's content filter withheld the completion")}
	case c.finish == finishedBroken:
		done.Err = s.malformed(http.StatusOK, errBroken)
	case at.empty() && c.finish != finishedCut:
		done.Err = s.malformed(http.StatusOK, errEmpty)
	default:
		// Text that ended at max_tokens, be it empty, is what the model had to say; asking again would end there too.
		done.Text, done.Cut = texts[at.from:at.to], c.finish == finishedCut
	}
}

// share divides the tokens of a batch among its completions.
func (in *incoming) share(done []Completion, sizes []int) {
	in.shares = in.shares[:0]
	for i := range done {
		in.shares = append(in.shares, share{size: sizes[i]})
	}
	apportion(in.reply.in, in.shares)
	for _, p := range in.shares {
		done[p.at].TokensIn = narrow(p.is)
	}
	for i, c := range in.reply.choices {
		in.shares[i] = share{size: c.text.to - c.text.from + c.refusal.to - c.refusal.from}
	}
	apportion(in.reply.out, in.shares)
	for _, p := range in.shares {
		done[p.at].TokensOut = narrow(p.is)
	}
}

// served is the model that the server names; mostly it is the one asked for, which costs no copy.
func (r *reply) served(p *Params) string {
	if name := r.texts[r.model.from:r.model.to]; string(name) != p.Model {
		return string(name)
	}
	return p.Model
}

func (s *Server) unsendable(err error) *Error {
	return &Error{Kind: Rejected, Text: s.line(err.Error())}
}

var (
	errParts  = errors.New("the parts of a message are not a JSON array")
	errEmpty  = errors.New("the response has an empty choice")
	errBroken = errors.New("the server broke the completion off")
)

func (in *incoming) giveBack(p *sync.Pool, most int) {
	if cap(in.body)+cap(in.reply.texts) <= most {
		p.Put(in)
	}
}
