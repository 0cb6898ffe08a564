package fleet

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/modelserver"
	"github.com/myriad-sim/myriad/internal/usage"
)

// Endpoint is one base URL of a model server, and the key that goes there.
type Endpoint struct {
	URL string
	Key string // never logged
}

// Spec is a model as its calls need it. It is not changed once it was submitted, and requests may share it.
type Spec struct {
	Name           string // the scenario's name of the model, which budgets and metrics go by
	Params         modelserver.Params
	Endpoints      []Endpoint
	Concurrency    int           // conversations in flight per endpoint; 0: as many as do it good
	Timeout        time.Duration // of one attempt, more than 0
	ShareIdentical bool          // equal calls of a run are asked once
	Hedge          bool          // the slowest calls are asked twice
	Price          usage.Price   // zero: it costs no money

	once   sync.Once
	place  string // says which calls can wait in one queue: those that go to the same model on the same servers
	manner string // says which calls of a queue can share a batch, whose parameters are request-wide
}

// name writes place and manner.
func (s *Spec) name() {
	p := &s.Params
	s.place = fmt.Sprintf("%q %q %d", p.Model, s.Endpoints, s.Concurrency)
	s.manner = fmt.Sprintf("%q %s %s %d %t %q %q %d %t %t %v", s.Name, number(p.Temperature), number(p.TopP), p.MaxTokens, p.NewerMaxTokens,
		p.ResponseFormat, p.StructuredOutputs, s.Timeout, s.ShareIdentical, s.Hedge, s.Price)
}

func number(p *float64) string {
	if p == nil {
		return "default"
	}
	return fmt.Sprint(*p)
}

// Request is calls of one run, round and model. The functions are called from any goroutine; all but Complete and Refuse
// must be safe for use by several at once and give the same each time.
type Request struct {
	Run      string
	Round    int
	Purpose  uint8  // one of the llm.Purpose constants
	System   string // shared system prompt, "" for none
	Len      int    // number of calls
	Messages func(i int) []llm.Message
	// Bytes is the length of the messages of a call, and how many there are. What is attached to a message counts as long
	// as the tokens it may cost.
	Bytes    func(i int) (bytes, messages int)
	Agent    func(i int) uint64
	Deadline time.Time   // calls that have not been sent by then are ended with an error; zero: none
	Budget   *llm.Budget // nil: what the calls cost is counted and not bounded

	// Complete takes the end of a call, each call once at most. It is called under the fleet's lock: it must not block and
	// must not call the fleet.
	Complete func(i int, c Completion)
	// Refuse ends all calls without a completion, once at most and after every completion: the text begins with
	// llm.RefusedBudget. It is called as Complete is.
	Refuse func(why string)
	// Retried counts attempts that are repeated; nil: nobody counts.
	Retried func(calls int)
}

// Completion is the end of one call.
type Completion struct {
	Text                string
	Err                 string // "": Text is what the model said; else the call failed for good
	Rejected            bool   // the server refused the content of this call; others are not affected
	Cut                 bool   // the text ended at a limit of tokens
	Apportioned         bool   // the tokens are a share of a batch's
	Shared              uint64 // agent+1 whose call was asked in this one's place; 0: it was asked itself
	TokensIn, TokensOut uint32
	Retries             int // attempts after the first
	Served              string
}

// Server is what the fleet needs of a client of a model server; *modelserver.Server is one.
type Server interface {
	Chat(ctx context.Context, p *modelserver.Params, c modelserver.Conversation) (modelserver.Completion, error)
	Batch(ctx context.Context, p *modelserver.Params, list []modelserver.Conversation) (modelserver.Batch, error)
	Healthy(ctx context.Context) error
	Load(ctx context.Context) (modelserver.Load, error)
}

// Reporter hears of models that no server can be reached for. It is called by one goroutine, without a lock, and must not
// block.
type Reporter interface {
	// Down says that calls of a run wait because all endpoints of a model are down. It is repeated every RepeatDown while
	// that lasts.
	Down(run, model, why string)
	// Up says, once, that an endpoint answers again.
	Up(run, model string)
}

// Ledger grants and counts what calls spend; Books makes one of a *usage.Book. Its methods are called under the fleet's
// lock: they must not block or call the fleet.
type Ledger interface {
	// Reserve is usage.Book.Reserve: a Hold, usage.ErrWait and later a call of wake, or a *usage.Spent.
	Reserve(run, model string, budget llm.Budget, need usage.Amount, wake func()) (Hold, error)
	Add(run, model string, u usage.Use)
}

// Hold is a granted reservation. Settle is called once.
type Hold interface{ Settle(u usage.Use) }

// Books is the ledger of a book.
func Books(b *usage.Book) Ledger { return books{b} }

type books struct{ book *usage.Book }

func (b books) Reserve(run, model string, budget llm.Budget, need usage.Amount, wake func()) (Hold, error) {
	h, err := b.book.Reserve(run, model, budget, need, wake)
	if err != nil {
		return nil, err
	}
	return h, nil
}

func (b books) Add(run, model string, u usage.Use) { b.book.Add(run, model, u) }
