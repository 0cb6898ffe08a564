package check

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"
)

var metricName = regexp.MustCompile(`\b(myriad|process|go)_[a-z0-9_]+\b`)

// named are the metrics that files of monitoring and scaling name, each with a file that does.
func named(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, dir := range []string{"grafana", "prometheus", "kubernetes"} {
		require.NoError(t, fs.WalkDir(os.DirFS(filepath.Join("..", dir)), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() || strings.Contains(path, "keys/") {
				return err
			}
			data, err := os.ReadFile(filepath.Join("..", dir, path))
			for _, name := range metricName.FindAllString(string(data), -1) {
				out[name] = filepath.Join(dir, path)
			}
			return err
		}))
	}
	return out
}

// TestMetricsExist looks for every metric in what a stack that has played a run gives.
func TestMetricsExist(t *testing.T) {
	served := scraped(t)
	all := named(t)
	require.Greater(t, len(all), 10)
	for name, file := range all {
		require.Contains(t, served, "\n# TYPE "+strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_sum"), "_count")+" ",
			"%s in %s", name, file)
	}
}

// scraped plays a short run against the look-alike of a model server and returns the metrics.
func scraped(t *testing.T) string {
	t.Helper()
	monitor, api, model := address(t), address(t), address(t)
	begin(t, "listens on", nil, "fakevllm", "--listen", model, "--deterministic")
	begin(t, "Ctrl-C stops", []string{"MYRIAD_MONITOR=" + monitor}, "up", "--http", api, "--nats", "127.0.0.1:0", "--data", t.TempDir())
	scenario, err := os.Open(filepath.Join("..", "..", "examples", "guess-two-thirds-llm.yaml"))
	require.NoError(t, err)
	defer scenario.Close()
	resp := request(t, http.MethodPost, "http://"+api+"/v1/runs?agents=20&rounds=1&model=player%3Dopenai:http://"+model+"/v1:fake", scenario)
	var run struct{ ID, State string }
	require.NoError(t, json.Unmarshal(resp, &run), "%s", resp)
	require.Eventually(t, func() bool {
		require.NoError(t, json.Unmarshal(request(t, http.MethodGet, "http://"+api+"/v1/runs/"+run.ID, nil), &run))
		return run.State == "finished"
	}, 30*time.Second, 50*time.Millisecond, "state %s", run.State)
	return string(request(t, http.MethodGet, "http://"+monitor+"/metrics", nil))
}

func address(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// begin starts the program until the test ends, and waits until it says a text.
func begin(t *testing.T, text string, env []string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	t.Cleanup(cancel)
	c := exec.CommandContext(ctx, program, args...)
	c.Env = append(os.Environ(), env...)
	c.Stderr = t.Output()
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Signal(syscall.SIGTERM)
		_, _ = io.Copy(io.Discard, out)
		_ = c.Wait()
	})
	for lines := bufio.NewScanner(out); lines.Scan(); {
		if strings.Contains(lines.Text(), text) {
			return
		}
	}
	t.Fatalf("myriad %v never said %q", args, text)
}

func request(t *testing.T, method, url string, body io.Reader) []byte {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, body)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Less(t, resp.StatusCode, 300, "%s: %s", url, data)
	return data
}

// TestDashboard: Grafana finds the dashboard, and its panels the source of data.
func TestDashboard(t *testing.T) {
	p := composed(t)
	mounted := map[string]string{}
	for _, v := range p.Services["grafana"].Volumes {
		mounted[v.Target] = v.Source
	}
	type source struct {
		Name, Type, UID, URL, Access string
		IsDefault, Editable          bool
	}
	var sources struct {
		APIVersion  int
		Datasources []source
	}
	strict(t, filepath.Join(mounted["/etc/grafana/provisioning"], "datasources", "prometheus.yaml"), &sources)
	require.Equal(t, "http://prometheus:9090", sources.Datasources[0].URL)
	var providers struct {
		APIVersion int
		Providers  []struct {
			Name, Type                      string
			DisableDeletion, AllowUIUpdates bool
			Options                         struct{ Path string }
		}
	}
	strict(t, filepath.Join(mounted["/etc/grafana/provisioning"], "dashboards", "myriad.yaml"), &providers)
	data, err := os.ReadFile(filepath.Join(mounted[providers.Providers[0].Options.Path], "myriad.json"))
	require.NoError(t, err)
	var board struct {
		UID, Title string
		Panels     []struct {
			ID         int
			Title      string
			Datasource struct{ UID string }
			Targets    []struct{ Expr string }
		}
	}
	require.NoError(t, json.Unmarshal(data, &board))
	require.NotEmpty(t, board.UID)
	ids := map[int]bool{}
	for _, panel := range board.Panels {
		require.Equal(t, sources.Datasources[0].UID, panel.Datasource.UID, panel.Title)
		require.NotEmpty(t, panel.Targets, panel.Title)
		require.False(t, ids[panel.ID], "two panels %d", panel.ID)
		ids[panel.ID] = true
	}
}

// TestScrapes: Prometheus asks the services that Compose runs, where they listen.
func TestScrapes(t *testing.T) {
	var cfg struct {
		Global        map[string]string
		RuleFiles     []string `json:"rule_files"`
		ScrapeConfigs []struct {
			JobName      string `json:"job_name"`
			DNSSDConfigs []struct {
				Names           []string
				Type            string
				Port            int
				RefreshInterval string `json:"refresh_interval"`
			} `json:"dns_sd_configs"`
			RelabelConfigs []map[string]any `json:"relabel_configs"`
		} `json:"scrape_configs"`
	}
	strict(t, filepath.Join("..", "prometheus", "prometheus.yml"), &cfg)
	p := composed(t)
	asked := map[string]bool{}
	for _, s := range cfg.ScrapeConfigs {
		for _, d := range s.DNSSDConfigs {
			require.Equal(t, 9464, d.Port)
			for _, name := range d.Names {
				require.Contains(t, p.Services, name)
				require.Contains(t, *p.Services[name].Environment["MYRIAD_MONITOR"], ":9464")
				asked[name] = true
			}
		}
	}
	for name, s := range p.Services {
		if len(s.Command) > 0 && s.Environment["MYRIAD_MONITOR"] != nil && name != "cli" {
			require.True(t, asked[name], "nobody asks %s", name)
		}
	}
}

func strict(t *testing.T, file string, into any) {
	t.Helper()
	data, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, yaml.UnmarshalStrict(data, into), file)
}
