package subjects

// Streams and the one subject filter of each.
const (
	// StreamLog holds the run log of every run.
	StreamLog = "MYRIAD_LOG"
	// StreamLogSubject is what StreamLog captures, and all of it.
	StreamLogSubject = "myriad.run.*.log.>"
	// StreamHub holds what was said in hubs.
	StreamHub = "MYRIAD_HUB"
	// StreamHubSubject is what StreamHub captures, and all of it.
	StreamHubSubject = "myriad.run.*.hub.*.said"
)

// Buckets. Parts of keys are encoded with Encode and joined with ".".
const (
	// BucketRuns has one entry a run: its state and summary.
	BucketRuns = "myriad_runs"
	// BucketHosts has one heartbeat a live agent host.
	BucketHosts = "myriad_hosts"
	// BucketEnv is the readable projection of world state.
	BucketEnv = "myriad_env"
	// BucketUsage counts calls, tokens and money.
	BucketUsage = "myriad_usage"
)

// Object stores, both by content address.
const (
	// StoreFiles holds what is too large for a message.
	StoreFiles = "myriad_files"
	// StorePersonas holds populations and personas.
	StorePersonas = "myriad_personas"
)

// Message headers.
const (
	// HeaderContentType says how the payload is encoded; without it the payload is msgpack.
	HeaderContentType = "Content-Type"
	// HeaderRequestID makes a repeated request recognisable; the recorded outcome is returned again.
	HeaderRequestID = "Myriad-Request-Id"
	// HeaderSender is the address of who speaks: of an agent in a request, of who said something in a hub.
	HeaderSender = "Myriad-Sender"
	// HeaderError carries the error of a reply, in words. The payload is then a message with the same words.
	HeaderError = "Myriad-Error"
	// HeaderErrorCode goes with HeaderError and is one of a fixed list of words, for programs.
	HeaderErrorCode = "Myriad-Error-Code"
	// HeaderDeadline is when a request's sender stops waiting, in Unix milliseconds.
	HeaderDeadline = "Myriad-Deadline"
	// HeaderChain lists the addresses of the agents that wait for a request, outermost first, separated by commas.
	HeaderChain = "Myriad-Chain"
	// HeaderCancel, with any value, makes a request to a placeholder's subject end the work on it.
	HeaderCancel = "Myriad-Cancel"
	// HeaderKind says what a message in a hub's stream is: one of the Said constants.
	HeaderKind = "Myriad-Kind"
	// HeaderWrite is on the first of the messages that were put into a hub's stream at once, and different each time: a
	// service that did not hear whether it was first finds its own by it.
	HeaderWrite = "Myriad-Write"
	// HeaderServedBy names the host whose response was passed on.
	HeaderServedBy = "Myriad-Served-By"
)

// Kinds of messages in a hub's stream.
const (
	// SaidMessage is something a participant said; HeaderSender is its address.
	SaidMessage = "said"
	// SaidAnnouncement is something the hub said itself.
	SaidAnnouncement = "announcement"
	// SaidCreated, SaidJoined, SaidLeft and SaidDeleted are what changed the hub.
	SaidCreated = "created"
	SaidJoined  = "joined"
	SaidLeft    = "left"
	SaidDeleted = "deleted"
)

// ContentJSON is the value of HeaderContentType that asks for JSON.
const ContentJSON = "application/json"

// Names of the five services, as NATS micro and Service know them.
const (
	ServiceCoordinator = "coordinator"
	ServiceAgentHost   = "agenthost"
	ServiceEnvironment = "environment"
	ServiceLLMProxy    = "llmproxy"
	ServiceBgen        = "bgen"
)

// ChatQueue is the queue group of the services that answer model calls and pass others through: one of them gets each
// request.
const ChatQueue = ServiceLLMProxy
