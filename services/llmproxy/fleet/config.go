package fleet

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says how the fleet works. Every number must be more than zero.
type Config struct {
	ModelCalls      int           // calls of one model that wait for its servers at most
	Concurrency     int           // conversations in flight that an endpoint starts with
	MaxConcurrency  int           // and is given at most
	MaxBatch        int           // conversations in a batch at most; 1: no batches
	BatchMaxTokens  int           // most tokens of a completion in a batch, or under a budget, for models that do not say
	Affinity        bool          // calls with the same system prompt go to the same endpoint; false: endpoints take turns
	SpillFactor     float64       // how much busier than the mean an endpoint may be and still get the calls of its prompts
	MaxAttempts     int           // attempts of a call at most; those that only test whether a server is back do not count
	RetryFor        time.Duration // how long a call is tried again
	Backoff         time.Duration // wait before the second attempt; it doubles
	BackoffMax      time.Duration // longest wait that is our own choice
	RetryAfterMax   time.Duration // longest wait that a server can ask for
	BreakerFailures int           // failures in a row after which an endpoint counts as down
	BreakerWait     time.Duration // longest pause between tests whether an endpoint that is down is back
	DownAfter       time.Duration // how long all endpoints of a model are down before its runs are told

	// Dial makes the client of an endpoint.
	Dial func(Endpoint) Server
	// Registerer gets the metrics while the fleet runs; nil: they are not published.
	Registerer prometheus.Registerer
}

// RepeatDown is how often Reporter.Down is repeated: silence longer than that means the model is back.
const RepeatDown = 2 * time.Second

const (
	// firstProbe is the pause before the first test of an endpoint that went down.
	firstProbe = 250 * time.Millisecond
	// probeTime bounds a test and a reading of the load.
	probeTime = 5 * time.Second
	// keepIdle is how long what was learnt about an endpoint is kept without calls: rounds of a run are apart.
	keepIdle = 10 * time.Minute
	// quantum is how many calls of a prompt go before those of another, when batches are not larger.
	quantum = 64
)
