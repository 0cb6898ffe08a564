package test

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/stack"
)

// write writes a file into a new directory and returns the directory.
func write(t testing.TB, name, content string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600))
	return dir
}

// only is what a directory holds.
func only(t testing.TB, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	require.NoError(t, err)
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestBrokenScenario(t *testing.T) {
	t.Parallel()
	broken := strings.Replace(tiny, "max: 100", "maxi: 100", 1)
	dir := write(t, "broken.yaml", broken)
	at := strings.Index(broken, "maxi")
	line := 1 + strings.Count(broken[:at], "\n")
	place := fmt.Sprintf("broken.yaml:%d:%d: ", line, at-strings.LastIndex(broken[:at], "\n"))
	for _, command := range []string{"validate", "run", "preview"} {
		p := call{dir: dir}.run(t, command, "broken.yaml")
		stderr := p.fails(t, 1)
		require.Contains(t, stderr, place)
		require.Contains(t, stderr, "answer: {type: number, min: 0, maxi: 100}")
		require.Contains(t, stderr, "did you mean max?")
		require.Empty(t, p.out.String())
		require.Equal(t, []string{"broken.yaml"}, only(t, dir)) // no data directory, no results
	}
	require.Contains(t, call{dir: dir}.run(t, "run", "none.yaml").fails(t, 1), "none.yaml")
	require.Contains(t, call{dir: dir}.run(t, "run", example(t, game), "--set", "vars.ration=1/2").fails(t, 1), "ratio")
	require.Equal(t, []string{"broken.yaml"}, only(t, dir))

	require.Contains(t, call{}.run(t, "runs").fails(t, 1), "there is no data directory")
	require.Contains(t, call{}.run(t, "resume", "any").fails(t, 1), "there is no data directory")
}

func TestExamplesAreValid(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("..", "examples", "*.yaml"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		require.Contains(t, call{}.run(t, "validate", example(t, filepath.Base(f))).ok(t), " is valid: ")
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	c := call{}
	first := c.run(t, "preview", example(t, game), "--agent", "17").ok(t)
	require.Contains(t, first, "Agent 17 of players")
	require.Contains(t, first, "not a language model")
	require.Contains(t, first, "[system]\n")
	require.Contains(t, first, "[user]\n")
	require.Contains(t, first, "reports a real number from 0 to")
	require.Contains(t, first, "The target is 2/3 of the average")
	require.NotContains(t, first, "{{")
	require.Regexp(t, `about \d+ tokens`, first)
	second := c.run(t, "preview", example(t, game), "--agent", "17", "--round", "2", "--world", "target=33.5").ok(t)
	require.Contains(t, second, "33.50")
	other := c.run(t, "preview", example(t, game), "--agent", "18").ok(t)
	require.NotEqual(t, strings.SplitN(first, "\n", 2)[1], strings.SplitN(other, "\n", 2)[1], "everybody has the same persona")
	require.Contains(t, c.run(t, "preview", example(t, game), "--agent", "1000").fails(t, 1), "0..999")
	require.Contains(t, c.run(t, "preview", example(t, game), "--round", "6").fails(t, 1), "1..5")
}

func TestInitAndSchema(t *testing.T) {
	t.Parallel()
	c := call{dir: t.TempDir()}
	require.Contains(t, c.run(t, "init", "my-study").ok(t), "run my-study.yaml")
	require.Contains(t, c.run(t, "init", "my-study").fails(t, 1), "exists")
	require.NotEmpty(t, c.run(t, "init", "../escape").fails(t, 1))
	require.Contains(t, c.run(t, "validate", "my-study.yaml").ok(t), "is valid")
	p := c.run(t, "run", "my-study.yaml", "--json")
	sum := parsed[report.Summary](t, p.ok(t)) // nothing but the summary is on stdout
	require.Equal(t, "my-study", sum.Scenario)
	require.Equal(t, "finished", sum.State)
	require.Contains(t, p.err.String(), "Data: ./myriad-data")
	require.Equal(t, []string{"my-study.yaml", "myriad-data", "myriad-results"}, only(t, c.dir))

	// Without --json the same things are said on stdout.
	out := c.run(t, "run", "my-study.yaml").ok(t)
	require.Less(t, strings.Index(out, "Data: "), strings.Index(out, "Run:  "))
	require.Contains(t, out, "not a language model")
	require.Contains(t, out, sum.ResultHash)
	require.Contains(t, out, "Receipt: 300 answers, 0 lost, 0 counted twice\n")
	require.Regexp(t, `--model \w+=openai:`, out)
	for _, head := range []string{"AVG", "MIN", "MAX", "STD", "MED", "MOD"} {
		require.Contains(t, out, head)
	}

	schema := c.run(t, "schema").ok(t)
	require.Contains(t, parsed[map[string]any](t, schema), "$schema")
	committed, err := os.ReadFile(example(t, "scenario.schema.json"))
	require.NoError(t, err)
	require.Equal(t, string(committed), schema, "run: go tool task generate")
}

var commandLine = regexp.MustCompile(`(?m)^  ([a-z]+)\b`)

func TestHelp(t *testing.T) {
	t.Parallel()
	c := call{}
	all := c.run(t, "--help").ok(t)
	require.Equal(t, all, c.run(t).ok(t))
	_, list, found := strings.Cut(all, "Commands:")
	require.True(t, found, all)
	var names []string
	for _, m := range commandLine.FindAllStringSubmatch(list, -1) {
		names = append(names, m[1])
	}
	for _, name := range append([]string{"run", "resume", "up", "init", "validate", "preview", "schema", "runs", "show", "decode"}, stack.Names...) {
		require.Contains(t, names, name)
	}
	for _, name := range names {
		help := c.run(t, name, "--help").ok(t)
		require.Contains(t, help, "Usage: myriad "+name)
		require.Contains(t, help, "Example", "of %s", name)
	}
	for _, name := range stack.Names {
		help := c.run(t, name, "--help").ok(t)
		require.Contains(t, help, `MYRIAD_NATS_URL (default "nats://127.0.0.1:4222")`)
		require.Contains(t, help, "MYRIAD_"+strings.ToUpper(name)+"_")
	}
	require.Contains(t, c.run(t, "rnu").fails(t, 2), "--help")
	require.Contains(t, c.run(t, "run").fails(t, 2), "<file>")
}

// A run whose model server is not there waits for it and says so. It goes on by itself, or, stopped meanwhile, with the
// command that is printed.
func TestModelServerThatComesLate(t *testing.T) {
	t.Parallel()
	for _, stopped := range []bool{false, true} {
		t.Run(map[bool]string{false: "waited for", true: "stopped meanwhile"}[stopped], func(t *testing.T) {
			t.Parallel()
			nobody, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
			require.NoError(t, err)
			addr := nobody.Addr().String()
			require.NoError(t, nobody.Close())

			c := call{dir: write(t, "late.yaml", fmt.Sprintf(modelScenario, "late", "http://"+addr+"/v1", ""))}
			p := c.start(t, "run", "late.yaml", "--agents", "50", "--json")
			p.says(t, &p.err, "Waiting: model player: no server can be reached: ")
			require.Contains(t, p.err.String(), addr)
			require.Contains(t, p.err.String(), "connection refused")
			require.Contains(t, p.err.String(), "the run goes on by itself when one is back")
			if stopped {
				require.NoError(t, p.cmd.Process.Signal(syscall.SIGINT))
				stderr := p.fails(t, 130)
				require.Empty(t, p.out.String(), "a run without a closed round has no summary")
				found := resumeLine.FindStringSubmatch(stderr)
				require.NotNil(t, found, stderr)
				p = c.exec(t, "/bin/sh", "-c", found[1])
				p.says(t, &p.err, "Waiting: ")
			}

			told := make(chan struct{})
			late := startModelServerAt(t, addr, func(a ask) reply {
				if a.round == 2 {
					<-told
				}
				return reply{text: meant(a.agent, a.round)}
			})
			p.says(t, &p.err, "Going on.")
			close(told)
			sum := parsed[report.Summary](t, p.ok(t))
			require.Equal(t, "finished", sum.State)
			require.Len(t, sum.Rounds, 2)
			require.Zero(t, sum.Receipt.Lost)
			require.Zero(t, sum.Receipt.Retries, "no server was asked in vain")
			require.Positive(t, sum.Receipt.Faults)
			for _, r := range sum.Rounds {
				require.Equal(t, 50, r.Questions["guess"].Valid)
			}
			require.Empty(t, late.complaints())
			lines := strings.Split(strings.TrimSpace(readFile(t, filepath.Join(c.dir, "myriad-results", sum.Run), "results.jsonl")), "\n")
			require.Len(t, lines, 100)
			for _, line := range lines {
				var row struct {
					Agent, Round int
					Value        json.Number
				}
				require.NoError(t, json.Unmarshal([]byte(line), &row))
				require.Equal(t, meant(row.Agent, row.Round), row.Value.String())
			}
		})
	}
}
