package llm

// Version of the request and result payloads. Fields are only ever appended.
const Version = 1

// Limits of one payload. Encode refuses to exceed them and Decode to read beyond them.
const (
	MaxCalls = 1024    // calls in a request, completions in a result
	MaxBytes = 4 << 20 // encoded bytes
)

// What senders aim for: a message is closed when either is reached. A single call may exceed ChunkBytes, up to MaxBytes.
const (
	ChunkCalls = 1024
	ChunkBytes = 512 << 10
)

// RefusedBudget begins the Refused text of requests whose run has spent its budget; the rest says which cap and how much.
// Like RefusedBusy it may follow partial results: the calls without a result were not made.
const RefusedBudget = "budget: "

// RefusedBusy is the Refused text of a proxy that is full or stopping. Unlike every other refusal it may follow partial
// results: the calls without a result are to be asked again later.
const RefusedBusy = "busy"

// Roles of a chat message.
const (
	RoleSystem    = "system"
	RoleUser      = "user"
	RoleAssistant = "assistant"
)

// Message is one message of a conversation.
type Message struct {
	_msgpack struct{} `msgpack:",as_array"`
	Role     string
	Content  string
	Parts    []byte // nil, or a JSON array of content parts that go with Content, such as images: what model servers read
}

// Request is a batch of model calls of one run, round and model. It is published on subjects.Chat(model) with a reply
// inbox; the proxy answers with any number of Result messages there, the last of which has Done set.
type Request struct {
	_msgpack struct{} `msgpack:",as_array"`
	V        int
	ID       uint64 // chosen by the requester, unique within its inbox
	Run      string
	Round    int
	Model    []byte // msgpack of scenario.Model, encoded once per round by the requester
	System   string // shared system prompt of all calls, "" for none (then Calls carry their own)
	Purpose  uint8  // one of the Purpose constants
	Facts    []byte // msgpack of Facts, encoded once per round and question; never sent to a real model
	Calls    []Call
	Deadline int64  // Unix milliseconds after which nobody wants an answer any more; 0: none
	Budget   []byte // of EncodeBudget; nil: the run may spend what it likes
}

// Purposes of a call.
const (
	PurposeAnswer    uint8 = iota // a question of a turn
	PurposeExtract                // reading a value out of a reply
	PurposeReask                  // the same question again, with the error
	PurposeInterview              // a question from outside
)

// AttemptsPerOpening separates the logical attempts of a round that is opened again from those before: the first of its
// k-th opening, from 0, is k times this.
const AttemptsPerOpening = 1 << 16

// Call is one conversation that wants one completion.
type Call struct {
	_msgpack struct{} `msgpack:",as_array"`
	Agent    uint64
	Attempt  uint32             // logical attempt: 0 for the first ask; transport retries do not advance it
	Messages []Message          // without the shared system prompt
	Persona  map[string]string  // only for models whose expressions read it
	Own      map[string]float64 // this agent's own last answers by question id, only for scripted models
}

// Facts is what behavioural players read instead of prompt text.
type Facts struct {
	_msgpack struct{} `msgpack:",as_array"`
	Seed     uint64
	Round    int // from 1
	Question string
	Type     string  // answer type, see scenario.Type...
	Min, Max float64 // NaN: unbounded
	Points   int
	Choices  []string
	Vars     map[string]string  // as the scenario writes them: "2/3", "true", a text
	World    map[string]float64 // state after the previous round
	Previous map[string]float64 // world state one round earlier
	Game     *GameFacts
	Decimals int      // number: digits kept after the point
	Schema   []byte   // json: JSON Schema of the answer; nil: any
	Tags     []string // tagged: in order
	Language string   // code: of the block; "": any
}

// GameFacts are the numbers of a guess-average game, evaluated for this round.
type GameFacts struct {
	_msgpack     struct{} `msgpack:",as_array"`
	Kind         string
	P, Offset    float64
	Low, High    float64
	PreviousMean float64 // mean valid answer of the previous round
	HasPrevious  bool
}

// Result carries the completions of some calls of a request. A Result with no Index is a keepalive: sent each second
// while calls are unanswered.
type Result struct {
	_msgpack  struct{} `msgpack:",as_array"`
	V         int
	ID        uint64   // of the Request
	Done      bool     // no more results follow
	Index     []uint32 // positions in Request.Calls, each exactly once over all results of a request
	Text      []string // completion text, same length as Index
	TokensIn  []uint32 // prompt tokens, same length, or empty: all zero, as for behavioural players. DecodeResult fills it
	TokensOut []uint32 // the same
	Retries   []uint8  // transport retries this call needed; the same
	Error     []string // "" when Text is a completion; else why the call failed for good. nil: all fine
	Served    string   // model name as the server reported it
	Refused   string   // with Done: the whole request was refused (unknown version, bad model, bad facts), nothing was called; but see RefusedBusy
	Cut       []uint32 // positions in Index, ascending, whose Text ended at a length limit: what stands at its end may be half a word

	Shared      []uint64 // the agent whose call was made in this one's place, plus one; 0: its own was made. nil: all were
	Apportioned bool     // TokensIn and TokensOut are shares of what a batch of calls took together
	Rejected    []uint32 // positions in Index, ascending, whose Error is about that call alone: asking it again is no use
	Plain       bool     // whoever spoke is no language model: nothing is extracted from what it says
}
