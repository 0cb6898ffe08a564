package check

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"
)

// theirs are the images that others make.
var theirs = []string{"vllm", "prometheus", "grafana"}

// composed reads the Compose file as `docker compose` does, with the schema, and every profile.
func composed(t *testing.T, variables ...string) *types.Project {
	t.Helper()
	o, err := cli.NewProjectOptions([]string{filepath.Join("..", "compose.yaml")}, cli.WithProfiles([]string{"*"}), cli.WithEnv(variables),
		cli.WithEnvFiles(), cli.WithDotEnv)
	require.NoError(t, err)
	p, err := o.LoadProject(t.Context())
	require.NoError(t, err)
	require.NoError(t, p.CheckContainerNameUnicity())
	return p
}

func TestComposeServices(t *testing.T) {
	p := composed(t)
	require.Equal(t, "myriad", p.Name)
	require.Subset(t, p.ServiceNames(), append([]string{
		"keys", "nats-1", "nats-2", "nats-3", "coordinator", "environment", "bgen", "llmproxy", "agenthost-1", "agenthost-2", "fakevllm", "cli",
	}, theirs...))
	for name, s := range p.Services {
		t.Run(name, func(t *testing.T) {
			require.Contains(t, s.CapDrop, "ALL")
			require.Contains(t, s.SecurityOpt, "no-new-privileges:true")
			require.False(t, s.Privileged)
			for _, port := range s.Ports {
				require.Equal(t, "127.0.0.1", port.HostIP, "published to other machines")
			}
			if name == "vllm" { // writes its caches
				return
			}
			require.True(t, s.ReadOnly)
			require.NotEmpty(t, s.User)
			require.NotRegexp(t, `^(0|root)(:|$)`, s.User)
			if slices.Contains(s.Profiles, "setup") || slices.Contains(s.Profiles, "tools") {
				return
			}
			require.NotZero(t, s.Deploy.Resources.Limits.MemoryBytes)
			require.NotZero(t, s.Deploy.Resources.Limits.Pids)
			require.NotEmpty(t, s.Restart)
			if !slices.Contains(theirs, name) {
				require.NotNil(t, s.HealthCheck)
				require.Equal(t, []string{"CMD", "/myriad", "health"}, []string(s.HealthCheck.Test[:3]))
				tag := "myriad:local"
				if strings.HasPrefix(name, "nats-") {
					tag = "myriad-nats:local"
				}
				require.Equal(t, tag, s.Image)
			}
		})
	}
}

func TestComposeVariablesExist(t *testing.T) {
	for name, s := range composed(t).Services {
		if len(s.Command) == 0 || !slices.Contains(services, s.Command[0]) {
			continue
		}
		known := settings(t, s.Command[0])
		for variable := range s.Environment {
			require.True(t, known[variable] || foreign[variable], "%s: %s is read by nobody", name, variable)
		}
		for _, needed := range []string{"MYRIAD_NATS_URL", "MYRIAD_NATS_CA", "MYRIAD_NATS_NKEY", "MYRIAD_MONITOR"} {
			require.NotNil(t, s.Environment[needed], "%s: %s", name, needed)
		}
	}
}

// TestComposeFilesExist makes keys as the service does and looks for every file that is mounted.
func TestComposeFilesExist(t *testing.T) {
	state := t.TempDir()
	p := composed(t, "MYRIAD_STATE="+state)
	init := slices.Clone([]string(p.Services["keys"].Command))
	require.Equal(t, "/state/keys", init[2])
	init[2] = filepath.Join(state, "keys")
	run(t, init...)
	for name, s := range p.Services {
		for _, secret := range s.Secrets {
			file := p.Secrets[secret.Source].File
			require.FileExists(t, file, name)
			for key, value := range s.Environment { // a path that a variable names is one that is mounted
				if value != nil && strings.HasPrefix(*value, "/run/secrets/") {
					require.True(t, slices.ContainsFunc(s.Secrets, func(c types.ServiceSecretConfig) bool { return "/run/secrets/"+c.Target == *value }), "%s: %s", name, key)
				}
			}
		}
		for _, v := range s.Volumes {
			if v.Type == types.VolumeTypeBind && !strings.HasPrefix(v.Source, state) {
				_, err := os.Stat(v.Source)
				require.NoError(t, err, name)
			}
		}
	}
	conf, err := os.ReadFile(filepath.Join("..", "nats", "nats.conf"))
	require.NoError(t, err)
	for _, name := range []string{"nats-1", "nats-2", "nats-3"} {
		require.Contains(t, string(conf), "tls://"+name+":6222")
		require.Contains(t, *p.Services["coordinator"].Environment["MYRIAD_NATS_URL"], "tls://"+name+":4222")
		require.Equal(t, name, *p.Services[name].Environment["NATS_SERVER_NAME"])
		for _, s := range p.Services[name].Secrets {
			require.Contains(t, string(conf)+"/etc/nats/keys/auth.conf", s.Target)
		}
	}
}
