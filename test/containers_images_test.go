//go:build containers

package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/moby/moby/client"
	"github.com/stretchr/testify/require"
	"github.com/testcontainers/testcontainers-go"
)

// Images of the tests, by the variable of compose.yaml that names each.
const (
	myriadImage = "myriad:test"
	natsImage   = "myriad-nats:test"
)

// buildImages builds both images from this tree, without pulling anything: the programs are compiled here and put into the
// stage of the shipped Dockerfiles that is meant for that.
func buildImages(t *testing.T, engine *testcontainers.DockerProvider) {
	t.Helper()
	programs := t.TempDir()
	for name, pkg := range map[string]string{"myriad": "./cmd/myriad", "nats-server": "github.com/nats-io/nats-server/v2"} {
		compile := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags=-s -w", "-o", filepath.Join(programs, name), pkg)
		compile.Dir = ".."
		compile.Env = append(os.Environ(), "CGO_ENABLED=0")
		said, err := compile.CombinedOutput()
		require.NoError(t, err, "%s", said)
	}
	deployments := filepath.Join("..", "deployments")
	image(t, engine, myriadImage, map[string]string{
		"Dockerfile":    filepath.Join(deployments, "Dockerfile"),
		"rootfs/myriad": filepath.Join(programs, "myriad"),
	})
	image(t, engine, natsImage, map[string]string{
		"Dockerfile":                filepath.Join(deployments, "nats", "Dockerfile"),
		"rootfs/myriad":             filepath.Join(programs, "myriad"),
		"rootfs/nats-server":        filepath.Join(programs, "nats-server"),
		"rootfs/etc/nats/nats.conf": filepath.Join(deployments, "nats", "nats.conf"),
	})
}

// image builds an image from files, by their place in the build context.
func image(t *testing.T, engine *testcontainers.DockerProvider, tag string, files map[string]string) {
	t.Helper()
	dir := t.TempDir()
	for to, from := range files {
		to = filepath.Join(dir, to)
		require.NoError(t, os.MkdirAll(filepath.Dir(to), 0o755))
		if os.Link(from, to) == nil {
			continue
		}
		data, err := os.ReadFile(from) // on another file system
		require.NoError(t, err)
		info, err := os.Stat(from)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(to, data, info.Mode()))
	}
	name, err := engine.BuildImage(t.Context(), &testcontainers.ContainerRequest{FromDockerfile: testcontainers.FromDockerfile{
		Context: dir, Repo: repo(tag), Tag: "test", KeepImage: true, BuildLogWriter: t.Output(),
		BuildOptionsModifier: func(o *client.ImageBuildOptions) { o.Target = "prebuilt" },
	}})
	require.NoError(t, err)
	require.Equal(t, tag, name)
}

func repo(tag string) string { return tag[:len(tag)-len(":test")] }
