//go:build containers

package test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/mount"
	apinetwork "github.com/moby/moby/api/types/network"
	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
	"github.com/testcontainers/testcontainers-go/exec"
	"github.com/testcontainers/testcontainers-go/wait"

	"github.com/myriad-sim/myriad/internal/control"
	"github.com/myriad-sim/myriad/internal/hosts"
)

// cluster is the project of compose.yaml, running.
type cluster struct {
	project *project
	engine  *testcontainers.DockerProvider
	http    *http.Client
	url     string
	token   string

	mu       sync.Mutex
	boxes    map[string]*testcontainers.DockerContainer
	networks map[string]string // names in the engine, by name in the project
}

// owner is who the containers run as. They read keys and write disks that this process makes, so a test that does not run
// as root gives them its own user.
func owner() int {
	const nobody = 65532
	if id := os.Getuid(); id > 0 {
		return id
	}
	return nobody
}

// startCluster writes keys and starts everything in compose.yaml that has no profile, with health checks passed.
func startCluster(t *testing.T, engine *testcontainers.DockerProvider) *cluster {
	t.Helper()
	state := t.TempDir()
	for dir := state; dir != filepath.Dir(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if info, err := os.Stat(dir); err == nil && info.Mode().Perm()&0o001 == 0 {
			require.NoError(t, os.Chmod(dir, 0o755)) // the user of the containers has to pass
		}
	}
	for _, dir := range []string{"nats-1", "nats-2", "nats-3"} {
		require.NoError(t, os.Mkdir(filepath.Join(state, dir), 0o700))
		require.NoError(t, os.Chown(filepath.Join(state, dir), owner(), -1))
	}
	require.NoError(t, os.Chown(state, owner(), -1))
	uid := strconv.Itoa(owner())
	port := freePort(t)
	c := &cluster{
		project: readProject(t, map[string]string{
			"MYRIAD_STATE": state, "MYRIAD_UID": uid, "MYRIAD_GID": uid, "MYRIAD_HTTP_PORT": port,
			"MYRIAD_IMAGE": myriadImage, "MYRIAD_NATS_IMAGE": natsImage,
		}),
		engine: engine, url: "https://127.0.0.1:" + port,
		boxes: map[string]*testcontainers.DockerContainer{}, networks: map[string]string{},
	}
	for name, n := range c.project.Networks {
		c.networks[name] = "myriad-test-" + port + "-" + name
		_, err := c.engine.Client().NetworkCreate(t.Context(), c.networks[name], client.NetworkCreateOptions{Internal: n.Internal})
		require.NoError(t, err)
		t.Cleanup(func() {
			_, err := c.engine.Client().NetworkRemove(context.WithoutCancel(t.Context()), c.networks[name], client.NetworkRemoveOptions{})
			require.NoError(t, err)
		})
	}
	c.start(t, "keys", wait.ForExit().WithExitTimeout(time.Minute))
	for _, layer := range c.project.layers(t) {
		var starting sync.WaitGroup
		for _, name := range layer {
			starting.Go(func() { c.start(t, name, wait.ForHealthCheck().WithStartupTimeout(90*time.Second)) })
		}
		starting.Wait()
		require.False(t, t.Failed(), "not everything started")
	}
	c.token = strings.TrimSpace(string(read(t, state, "keys/http/token")))
	roots := x509.NewCertPool()
	require.True(t, roots.AppendCertsFromPEM(read(t, state, "keys/ca.pem")))
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS13}}
	t.Cleanup(transport.CloseIdleConnections)
	c.http = &http.Client{Transport: transport, Timeout: 10 * time.Second}
	return c
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	require.NoError(t, err)
	return data
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	_, port, err := net.SplitHostPort(l.Addr().String())
	require.NoError(t, err)
	require.NoError(t, l.Close())
	return port
}

// start starts a service of the project and waits. It may be called by several goroutines, so failures are not fatal here.
func (c *cluster) start(t *testing.T, name string, until wait.Strategy) {
	s := c.project.Services[name]
	request := testcontainers.ContainerRequest{
		Image: s.Image, Cmd: s.Command, Env: s.Environment, WaitingFor: until,
		HostConfigModifier: func(h *container.HostConfig) { c.host(t, h, s) },
		ConfigModifier:     func(o *container.Config) { configure(o, s) },
	}
	request.NetworkAliases = map[string][]string{}
	for _, n := range s.Networks {
		request.Networks = append(request.Networks, c.networks[n])
		request.NetworkAliases[c.networks[n]] = []string{name}
	}
	for _, p := range s.Ports {
		request.ExposedPorts = append(request.ExposedPorts, p[strings.LastIndexByte(p, ':')+1:])
	}
	made, err := c.engine.RunContainer(t.Context(), request)
	if box, ok := made.(*testcontainers.DockerContainer); ok && box != nil {
		c.mu.Lock()
		c.boxes[name] = box
		c.mu.Unlock()
		t.Cleanup(func() { c.end(t, name, box) })
	}
	if err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

// end removes a container, and shows what it had to say if the test failed.
func (c *cluster) end(t *testing.T, name string, box *testcontainers.DockerContainer) {
	ctx := context.WithoutCancel(t.Context())
	if t.Failed() {
		if logs, err := box.Logs(ctx); err == nil {
			said, _ := io.ReadAll(logs)
			t.Logf("%s said:\n%s", name, said[max(0, len(said)-64<<10):])
		}
	}
	if err := box.Terminate(ctx, testcontainers.StopTimeout(0)); err != nil {
		t.Errorf("%s: %v", name, err)
	}
}

func configure(o *container.Config, s *composed) {
	o.User = s.User
	if h := s.Healthcheck; h != nil {
		o.Healthcheck = &container.HealthConfig{
			Test: h.Test, Interval: h.Interval.Duration, Timeout: h.Timeout.Duration, StartPeriod: h.StartPeriod.Duration, Retries: h.Retries,
		}
	}
}

func (c *cluster) host(t *testing.T, h *container.HostConfig, s *composed) {
	h.ReadonlyRootfs, h.CapDrop, h.SecurityOpt = s.ReadOnly, s.CapDrop, s.SecurityOpt
	h.RestartPolicy = container.RestartPolicy{Name: container.RestartPolicyMode(s.Restart)}
	if s.NetworkMode != "" {
		h.NetworkMode = container.NetworkMode(s.NetworkMode)
	}
	for _, v := range s.Volumes {
		from, to, _ := strings.Cut(v, ":")
		h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: from, Target: to})
	}
	for _, secret := range s.Secrets {
		to := secret.Target
		if !strings.HasPrefix(to, "/") {
			to = "/run/secrets/" + to
		}
		h.Mounts = append(h.Mounts, mount.Mount{Type: mount.TypeBind, Source: c.project.Secrets[secret.Source].File, Target: to, ReadOnly: true})
	}
	h.PortBindings = apinetwork.PortMap{}
	for _, p := range s.Ports {
		parts := strings.Split(p, ":")
		inside, err := apinetwork.ParsePort(parts[2] + "/tcp")
		if err != nil {
			t.Error(err)
		}
		h.PortBindings[inside] = []apinetwork.PortBinding{{HostIP: netip.MustParseAddr(parts[0]), HostPort: parts[1]}}
	}
	limits := s.Deploy.Resources.Limits
	if limits.Memory != "" {
		gigabytes, err := strconv.ParseInt(strings.TrimSuffix(limits.Memory, "G"), 10, 64)
		if err != nil {
			t.Error(err)
		}
		cpus, err := strconv.ParseFloat(limits.CPUs, 64)
		if err != nil {
			t.Error(err)
		}
		h.Resources = container.Resources{Memory: gigabytes << 30, NanoCPUs: int64(cpus * 1e9), PidsLimit: &limits.Pids}
	}
}

// well reports whether a service says of itself that it can work: of a broker, that all its replicas are current.
func (c *cluster) well(t *testing.T, name string) bool {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	code, _, err := c.boxes[name].Exec(ctx, c.project.Services[name].Healthcheck.Test[1:], exec.Multiplexed())
	return err == nil && code == 0
}

func (c *cluster) kill(t *testing.T, name string) {
	t.Helper()
	_, err := c.engine.Client().ContainerKill(t.Context(), c.boxes[name].ID, client.ContainerKillOptions{Signal: "SIGKILL"})
	require.NoError(t, err)
}

func (c *cluster) restart(t *testing.T, name string) {
	t.Helper()
	_, err := c.engine.Client().ContainerStart(t.Context(), c.boxes[name].ID, client.ContainerStartOptions{})
	require.NoError(t, err)
}

func (c *cluster) pause(t *testing.T, name string) {
	t.Helper()
	_, err := c.engine.Client().ContainerPause(t.Context(), c.boxes[name].ID, client.ContainerPauseOptions{})
	require.NoError(t, err)
}

func (c *cluster) unpause(t *testing.T, name string) {
	t.Helper()
	_, err := c.engine.Client().ContainerUnpause(t.Context(), c.boxes[name].ID, client.ContainerUnpauseOptions{})
	require.NoError(t, err)
}

// cut takes a service off a network, and join puts it back.
func (c *cluster) cut(t *testing.T, name, from string) {
	t.Helper()
	_, err := c.engine.Client().NetworkDisconnect(t.Context(), c.networks[from], client.NetworkDisconnectOptions{Container: c.boxes[name].ID, Force: true})
	require.NoError(t, err)
}

func (c *cluster) join(t *testing.T, name, to string) {
	t.Helper()
	_, err := c.engine.Client().NetworkConnect(t.Context(), c.networks[to], client.NetworkConnectOptions{
		Container: c.boxes[name].ID, EndpointConfig: &apinetwork.EndpointSettings{Aliases: []string{name}},
	})
	require.NoError(t, err)
}

// ask sends a request to the HTTP API as a client with the token, and reads a JSON answer if it has the wanted status.
func (c *cluster) ask(t *testing.T, method, path string, body []byte, want int, into any) bool {
	req, err := http.NewRequestWithContext(t.Context(), method, c.url+path, bytes.NewReader(body))
	if err != nil {
		t.Error(err)
		return false
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	resp, err := c.http.Do(req)
	if err != nil {
		t.Logf("%s %s: %v", method, path, err)
		return false
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Logf("%s %s: %s: %.300s (%v)", method, path, resp.Status, data, err)
		return false
	}
	return json.Unmarshal(data, into) == nil
}

// submit starts a run and returns its id.
func (c *cluster) submit(t *testing.T, query string, source []byte) string {
	t.Helper()
	var info control.Info
	require.True(t, c.ask(t, http.MethodPost, "/v1/runs"+query, source, http.StatusAccepted, &info))
	return info.ID
}

// state is what the API says of a run; false if it cannot now.
func (c *cluster) state(t *testing.T, run string) (runAnswer, bool) {
	var r runAnswer
	ok := c.ask(t, http.MethodGet, "/v1/runs/"+run, nil, http.StatusOK, &r)
	return r, ok
}

// host is what the register has of a host, if it lives.
func (c *cluster) listed(t *testing.T, id string) (hosts.Beat, bool) {
	var list []hosts.Beat
	if c.ask(t, http.MethodGet, "/v1/hosts", nil, http.StatusOK, &list) {
		for _, b := range list {
			if b.ID == id {
				return b, true
			}
		}
	}
	return hosts.Beat{}, false
}
