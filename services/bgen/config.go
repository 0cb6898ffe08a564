package bgen

import (
	"errors"
	"fmt"
	"time"
)

// EnvPrefix begins the name of every environment variable of Config.
const EnvPrefix = "MYRIAD_BGEN_"

// ErrConfig: a setting has a value that cannot work; the text names it.
var ErrConfig = errors.New("bgen: bad setting")

// Config is read from the environment, under EnvPrefix. Its zero value is not valid.
type Config struct {
	Workers      int           `env:"WORKERS" envDefault:"2" desc:"populations drawn at a time"`
	Queue        int           `env:"QUEUE" envDefault:"64" desc:"requests that may wait for a worker; further ones are told to come again"`
	StoreTimeout time.Duration `env:"STORE_TIMEOUT" envDefault:"1m" desc:"how long one read or write of a stored population may take"`
}

func (c Config) validate() error {
	switch {
	case c.Workers < 1:
		return fmt.Errorf("%w: %sWORKERS is %d, want at least 1", ErrConfig, EnvPrefix, c.Workers)
	case c.Queue < 0:
		return fmt.Errorf("%w: %sQUEUE is %d, want at least 0", ErrConfig, EnvPrefix, c.Queue)
	case c.StoreTimeout <= 0:
		return fmt.Errorf("%w: %sSTORE_TIMEOUT is %v, want more than 0", ErrConfig, EnvPrefix, c.StoreTimeout)
	}
	return nil
}
