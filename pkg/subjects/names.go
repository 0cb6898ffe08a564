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
	// HeaderSender names who said something in a hub.
	HeaderSender = "Myriad-Sender"
	// HeaderError carries the error of a reply; the payload is then empty.
	HeaderError = "Myriad-Error"
	// HeaderServedBy names the host whose response was passed on.
	HeaderServedBy = "Myriad-Served-By"
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
