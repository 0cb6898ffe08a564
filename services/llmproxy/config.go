package llmproxy

import (
	"fmt"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/prometheus/client_golang/prometheus"
)

// EnvPrefix starts the name of every variable of Config.
const EnvPrefix = "MYRIAD_LLMPROXY_"

// Config is read from the environment. Keys of model servers are not in it: they are read from the variables that
// models name, and only for the hosts that KeyHosts binds them to.
type Config struct {
	MaxCalls        int           `env:"MAX_CALLS" envDefault:"2097152" desc:"calls accepted and not finished at most; more are refused as busy"`
	MaxBytes        int64         `env:"MAX_BYTES" envDefault:"1073741824" desc:"bytes held for accepted calls at most; more are refused as busy"`
	ModelCalls      int           `env:"MODEL_CALLS" envDefault:"262144" desc:"calls of one model that wait for its servers at most; more are refused as busy"`
	Concurrency     int           `env:"CONCURRENCY" envDefault:"64" desc:"calls in flight that an endpoint starts with, for models that do not say; it gets more while that helps, and fewer when it is overloaded"`
	MaxConcurrency  int           `env:"MAX_CONCURRENCY" envDefault:"16384" desc:"calls in flight that an endpoint is given at most, for models that do not say"`
	MaxBatch        int           `env:"MAX_BATCH" envDefault:"512" desc:"calls in one request at most, to servers with a batch endpoint; 1: never more than one"`
	BatchMaxTokens  int           `env:"BATCH_MAX_TOKENS" envDefault:"2048" desc:"tokens of an answer at most in a batch, for models that do not say"`
	Affinity        bool          `env:"AFFINITY" envDefault:"true" desc:"calls with the same system prompt go to the same endpoint, for its prefix cache; false: endpoints take turns"`
	SpillFactor     float64       `env:"SPILL_FACTOR" envDefault:"1.25" desc:"how much busier than the mean an endpoint may be before the calls of its prompts go elsewhere"`
	Timeout         time.Duration `env:"TIMEOUT" envDefault:"2m" desc:"time for one attempt of a call, for models that do not say"`
	MaxAttempts     int           `env:"MAX_ATTEMPTS" envDefault:"8" desc:"attempts of a call at most; those that only test whether a server is back do not count"`
	RetryFor        time.Duration `env:"RETRY_FOR" envDefault:"10m" desc:"how long a call is tried again; calls that no server can be reached for wait without limit"`
	Backoff         time.Duration `env:"BACKOFF" envDefault:"500ms" desc:"wait before the second attempt; it doubles with each attempt and is varied by half"`
	BackoffMax      time.Duration `env:"BACKOFF_MAX" envDefault:"1m" desc:"longest wait between attempts that is our own choice"`
	RetryAfterMax   time.Duration `env:"RETRY_AFTER_MAX" envDefault:"2m" desc:"longest wait that a server's Retry-After can ask for"`
	BreakerFailures int           `env:"BREAKER_FAILURES" envDefault:"5" desc:"failures in a row after which an endpoint counts as down and its calls wait"`
	BreakerWait     time.Duration `env:"BREAKER_WAIT" envDefault:"5s" desc:"longest pause between tests whether an endpoint that is down is back"`
	DownAfter       time.Duration `env:"DOWN_AFTER" envDefault:"2s" desc:"how long all endpoints of a model are down before its runs pause until one is back"`
	Prices          string        `env:"PRICES" envDefault:"" desc:"file with the prices of models; a budget in money needs it"`
	Forwards        int           `env:"FORWARDS" envDefault:"256" desc:"requests passed through at a time, such as embeddings; more are refused as busy"`
	ReplayBytes     int64         `env:"REPLAY_BYTES" envDefault:"268435456" desc:"bytes of earlier runs held in memory while they are replayed; the rest is read from the log again"`
	KeyHosts        []string      `env:"KEY_HOSTS" envDefault:"api.openai.com=OPENAI_API_KEY" desc:"host=VARIABLE, comma separated: the only hosts that get the key in VARIABLE; loopback hosts also get OPENAI_API_KEY"`
	AllowHosts      []string      `env:"ALLOW_HOSTS" envDefault:"" desc:"hosts that models may name as endpoints, comma separated; empty: any, or none where the NATS server is not on loopback"`

	// Strict allows no host but those of AllowHosts: a scenario names its endpoints, and it may come from another machine.
	Strict bool `env:"-"`
	// Registerer gets the metrics while the service runs; nil: they are not published.
	Registerer prometheus.Registerer `env:"-"`
}

// LoadConfig reads the configuration from the environment; unset variables have their defaults.
func LoadConfig() (Config, error) {
	cfg, err := env.ParseAsWithOptions[Config](env.Options{Prefix: EnvPrefix})
	if err != nil {
		return Config{}, fmt.Errorf("%w: %w", ErrConfig, err)
	}
	return cfg, cfg.check()
}

func (c Config) check() error {
	for name, n := range map[string]int64{
		"MAX_CALLS": int64(c.MaxCalls), "MAX_BYTES": c.MaxBytes, "REPLAY_BYTES": c.ReplayBytes, "MODEL_CALLS": int64(c.ModelCalls), "CONCURRENCY": int64(c.Concurrency), "FORWARDS": int64(c.Forwards),
		"MAX_CONCURRENCY": int64(c.MaxConcurrency), "MAX_BATCH": int64(c.MaxBatch), "BATCH_MAX_TOKENS": int64(c.BatchMaxTokens),
		"DOWN_AFTER": int64(c.DownAfter), "TIMEOUT": int64(c.Timeout),
		"MAX_ATTEMPTS": int64(c.MaxAttempts), "RETRY_FOR": int64(c.RetryFor), "BACKOFF": int64(c.Backoff),
		"BACKOFF_MAX": int64(c.BackoffMax), "RETRY_AFTER_MAX": int64(c.RetryAfterMax),
		"BREAKER_FAILURES": int64(c.BreakerFailures), "BREAKER_WAIT": int64(c.BreakerWait),
	} {
		if n <= 0 {
			return fmt.Errorf("%w: %s%s must be more than zero", ErrConfig, EnvPrefix, name)
		}
	}
	if !(c.SpillFactor > 0) {
		return fmt.Errorf("%w: %sSPILL_FACTOR must be more than zero", ErrConfig, EnvPrefix)
	}
	_, err := newKeyring(c.KeyHosts)
	return err
}
