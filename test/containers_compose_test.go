//go:build containers

package test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/stretchr/testify/require"
)

// project is what a Compose file says, as far as deployments/compose.yaml uses the format: a key that is not here fails the
// reading, so that nothing of the file is left out of the tests in silence.
type project struct {
	Services map[string]*composed
	Networks map[string]struct{ Internal bool }
	Volumes  map[string]struct{}
	Secrets  map[string]struct{ File string }
}

type composed struct {
	Image           string
	User            string
	Command         []string
	Profiles        []string
	Environment     map[string]string
	Networks        []string
	NetworkMode     string `json:"network_mode"`
	Ports           []string
	Volumes         []string
	Tmpfs           []string
	Secrets         []struct{ Source, Target string }
	Restart         string
	ReadOnly        bool     `json:"read_only"`
	CapDrop         []string `json:"cap_drop"`
	SecurityOpt     []string `json:"security_opt"`
	StopGracePeriod string   `json:"stop_grace_period"`
	ShmSize         string   `json:"shm_size"`
	Logging         any
	Healthcheck     *struct {
		Test                           []string
		Interval, Timeout, StartPeriod lasting
		Retries                        int
	}
	DependsOn conditions `json:"depends_on"`
	Deploy    struct {
		Resources struct {
			Limits struct {
				CPUs, Memory string
				Pids         int64
			}
			Reservations any
		}
	}
}

// lasting is a duration as Compose writes it.
type lasting struct{ time.Duration }

func (d *lasting) UnmarshalText(text []byte) (err error) {
	d.Duration, err = time.ParseDuration(string(text))
	return err
}

// conditions are what a service waits for, by service. The short form is a list of services that have started.
type conditions map[string]struct{ Condition string }

func (c *conditions) UnmarshalJSON(data []byte) error {
	var names []string
	if json.Unmarshal(data, &names) == nil {
		*c = conditions{}
		for _, n := range names {
			(*c)[n] = struct{ Condition string }{"service_started"}
		}
		return nil
	}
	var long map[string]struct{ Condition string }
	err := json.Unmarshal(data, &long)
	*c = long
	return err
}

var (
	variable  = regexp.MustCompile(`\$\{([A-Z_]+):-([^}]*)\}`)
	startName = regexp.MustCompile(`"start_period"`)
)

// readProject reads the shipped Compose file with variables set, as `docker compose` reads it.
func readProject(t *testing.T, variables map[string]string) *project {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("..", "deployments", "compose.yaml"))
	require.NoError(t, err)
	source = variable.ReplaceAllFunc(source, func(found []byte) []byte {
		parts := variable.FindSubmatch(found)
		if value, ok := variables[string(parts[1])]; ok {
			return []byte(value)
		}
		return parts[2]
	})
	var tree map[string]any
	require.NoError(t, yaml.Unmarshal(source, &tree))
	maps.DeleteFunc(tree, func(key string, _ any) bool { return strings.HasPrefix(key, "x-") })
	data, err := json.Marshal(tree)
	require.NoError(t, err)
	data = startName.ReplaceAll(data, []byte(`"StartPeriod"`))
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	var p project
	require.NoError(t, d.Decode(&p))
	return &p
}

// layers are the services without a profile, each after those it waits for to be healthy.
func (p *project) layers(t *testing.T) [][]string {
	t.Helper()
	left := map[string]*composed{}
	for name, s := range p.Services {
		if len(s.Profiles) == 0 {
			left[name] = s
		}
	}
	var out [][]string
	for len(left) > 0 {
		var layer []string
		for name, s := range left {
			if !slices.ContainsFunc(slices.Collect(maps.Keys(s.DependsOn)), func(on string) bool { return left[on] != nil }) {
				layer = append(layer, name)
			}
		}
		require.NotEmpty(t, layer, "services wait for each other")
		for _, name := range layer {
			delete(left, name)
		}
		slices.Sort(layer)
		out = append(out, layer)
	}
	return out
}
