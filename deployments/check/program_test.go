package check

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"
)

// program is the path of the built command line.
var program string

func TestMain(m *testing.M) {
	os.Exit(built(m))
}

func built(m *testing.M) int {
	dir, err := os.MkdirTemp("", "myriad-check")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	program = filepath.Join(dir, "myriad")
	compile := exec.CommandContext(context.Background(), "go", "build", "-o", program, "./cmd/myriad")
	compile.Dir = filepath.Join("..", "..")
	if said, err := compile.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "%s%v\n", said, err)
		return 1
	}
	return m.Run()
}

// run runs the program and returns what it said.
func run(t *testing.T, args ...string) string {
	t.Helper()
	said, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	require.NoError(t, err, "myriad %v: %s", args, said)
	return string(said)
}

var settingLine = regexp.MustCompile(`(?m)^  (MYRIAD_[A-Z_]+) \(default`)

// settings are the environment variables that a command reads, as its help lists them.
func settings(t *testing.T, command string) map[string]bool {
	t.Helper()
	out := map[string]bool{}
	for _, found := range settingLine.FindAllStringSubmatch(run(t, command, "--help"), -1) {
		out[found[1]] = true
	}
	require.NotEmpty(t, out, "myriad %s --help lists no variables", command)
	return out
}

// foreign are variables that others than Myriad's own code read.
var foreign = map[string]bool{"GOMEMLIMIT": true, "NATS_SERVER_NAME": true}

// services are the commands that run a service.
var services = []string{"coordinator", "environment", "bgen", "llmproxy", "agenthost"}
