package coordinator

import (
	"bufio"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestResultsAsJSONLAndCSV(t *testing.T) {
	k := newStack(t)
	k.played("done-1")
	k.start()
	res := k.get("/v1/runs/done-1/results")
	require.Equal(t, "application/x-ndjson", res.Header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="done-1-results.jsonl"`, res.Header.Get("Content-Disposition"))
	lines := strings.Split(strings.TrimSuffix(res.text, "\n"), "\n")
	require.Len(t, lines, 8)
	var row struct {
		Run, Question, Status, Raw string
		Round, Agent               int
		Value                      float64
		Education                  string `json:"persona_education"`
	}
	schools := map[string]int{}
	for i, line := range lines {
		require.NoError(t, json.Unmarshal([]byte(line), &row))
		require.Equal(t, []any{"done-1", 1 + i/4, i % 4, "guess", "answered"}, []any{row.Run, row.Round, row.Agent, row.Question, row.Status})
		require.InDelta(t, 10*(i%4), row.Value, 0)
		require.Equal(t, fmt.Sprintf("I say %d", 10*(i%4)), row.Raw)
		schools[row.Education]++
	}
	require.Equal(t, map[string]int{"school": 4, "Ph.D.": 4}, schools)
	require.Equal(t, res.text, k.get("/v1/runs/done-1/results?format=jsonl").text)

	res = k.get("/v1/runs/done-1/results?format=csv")
	require.Equal(t, "text/csv; charset=utf-8; header=present", res.Header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="done-1-results.csv"`, res.Header.Get("Content-Disposition"))
	table, err := csv.NewReader(strings.NewReader(res.text)).ReadAll()
	require.NoError(t, err)
	require.Len(t, table, 9)
	require.Equal(t, "persona_education", table[0][len(table[0])-1])

	res = k.get("/v1/runs/done-1/results?format=parquet")
	require.Equal(t, "application/vnd.apache.parquet", res.Header.Get("Content-Type"))
	require.Equal(t, `attachment; filename="done-1-results.parquet"`, res.Header.Get("Content-Disposition"))
	file, err := parquet.OpenFile(strings.NewReader(res.text), int64(len(res.text)))
	require.NoError(t, err)
	require.EqualValues(t, 8, file.NumRows())
	hash, _ := file.Lookup("myriad.result_hash")
	require.Len(t, hash, 64)
	require.Contains(t, k.get("/openapi.json").text, "application/vnd.apache.parquet")

	p := requireProblem(t, k.get("/v1/runs/done-1/results?format=xlsx"), http.StatusUnprocessableEntity, "invalid")
	require.Equal(t, "query.format", p.Errors[0].Location)
	requireProblem(t, k.get("/v1/runs/nobody/results"), http.StatusNotFound, "not_found")
	head := k.do(k.request(http.MethodHead, "/v1/runs/done-1/results?format=csv", ""))
	require.Equal(t, "text/csv; charset=utf-8; header=present", head.Header.Get("Content-Type"))
}

func TestResultsOfARunUnderWayAreItsClosedRounds(t *testing.T) {
	k := newStack(t)
	w := k.write("open-1")
	w.begin(4)
	k.start()
	require.Empty(t, k.get("/v1/runs/open-1/results").text)
	require.Equal(t, 1, strings.Count(k.get("/v1/runs/open-1/results?format=csv").text, "\n"), "the header")
	w.round(1)
	w.open(2)
	w.answers(2, 0, 0, 2, 5, "5")
	require.Equal(t, 4, strings.Count(k.get("/v1/runs/open-1/results").text, "\n"))
}

func TestResultsThatCannotBeReadAreAProblem(t *testing.T) {
	k := newStack(t)
	w := k.write("lost-1")
	w.control(subjects.KindCreated, 0, runlog.Created{Name: "guess", File: "game.yaml", Source: []byte(game), Agents: 4, ShardSize: 1024})
	w.control(subjects.KindPopulated, 0, runlog.Populated{Population: strings.Repeat("ab", 32)}) // nobody stored it
	w.control(subjects.KindLease, 0, runlog.Lease{Host: "h", Incarnation: "gone", Ranges: []runlog.Range{{First: 0, End: 1}}})
	w.round(1)
	k.start()
	res := k.get("/v1/runs/lost-1/results")
	p := requireProblem(t, res, http.StatusInternalServerError, "internal")
	require.NotContains(t, p.Detail, "abab")
	require.Empty(t, res.Header.Get("Content-Disposition"))
}

// TestResultsStreamInConstantMemory downloads a run whose rows are many times larger than what may be held.
func TestResultsStreamInConstantMemory(t *testing.T) {
	const agents, perChunk, text = 16 << 10, 256, 2 << 10
	k := newStack(t)
	w := k.write("big-1")
	w.begin(agents)
	for round := 1; round <= 2; round++ {
		w.open(round)
		for first := 0; first < agents; first += perChunk {
			w.answers(round, first/1024, first, first+perChunk, 5, strings.Repeat("x", text-8)+fmt.Sprintf("%8d", first))
		}
		w.close(round)
	}
	w.finish()
	w.fold = nil
	k.start()
	res, err := client.Do(k.request(http.MethodGet, "/v1/runs/big-1/results?format=csv", ""))
	require.NoError(t, err)
	defer res.Body.Close()
	require.Negative(t, res.ContentLength, "streamed")
	var begin, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&begin)
	in := bufio.NewReaderSize(res.Body, 64<<10)
	size, most := 0, uint64(0)
	for buf := make([]byte, 1<<20); ; {
		n, err := io.ReadFull(in, buf)
		size += n
		if err != nil {
			break
		}
		if size%(8<<20) == 0 {
			runtime.GC()
			runtime.ReadMemStats(&now)
			most = max(most, now.HeapAlloc)
		}
	}
	require.Greater(t, size, 2*agents*text)
	// The run has 64 MiB. What is held is a shard of a round (2 MiB), records that were fetched ahead (16 MiB at most, where the
	// machine is busy), and the block that the broker reads (8 MiB).
	require.Less(t, int64(most)-int64(begin.HeapAlloc), int64(32<<20))
}

func TestDocumentsOfARun(t *testing.T) {
	k := newStack(t)
	w := k.played("done-1")
	k.start()
	summary := decode[report.Summary](t, k.get("/v1/runs/done-1/summary"))
	require.Equal(t, "done-1", summary.Run)
	require.Len(t, summary.Rounds, 2)
	require.InDelta(t, 10, *summary.Rounds[0].Questions["guess"].Target, 1e-12)

	page := k.get("/v1/runs/done-1/report")
	require.Equal(t, "text/html; charset=utf-8", page.Header.Get("Content-Type"))
	require.Contains(t, page.text, "<svg")
	require.Contains(t, page.text, summary.ResultHash)
	require.Contains(t, page.text, "/v1/runs/done-1/scenario")
	require.NotContains(t, page.Header.Get("Content-Security-Policy"), "script-src")

	book := k.get("/v1/runs/done-1/codebook")
	require.Equal(t, "text/markdown; charset=utf-8", book.Header.Get("Content-Type"))
	require.Contains(t, book.text, "persona_education")

	source := k.get("/v1/runs/done-1/scenario")
	require.Equal(t, "application/yaml", source.Header.Get("Content-Type"))
	require.Equal(t, string(w.fold.Created.Source), source.text)
	for _, path := range []string{"summary", "report", "codebook", "scenario"} {
		requireProblem(t, k.get("/v1/runs/nobody/"+path), http.StatusNotFound, "not_found")
		requireProblem(t, k.get("/v1/runs/NOBODY/"+path), http.StatusNotFound, "not_found")
		requireProblem(t, k.post("/v1/runs/done-1/"+path, ""), http.StatusMethodNotAllowed, "method_not_allowed")
	}
}

// TestTheReportSaysHowToPlayItAgain runs the commands of a report's page in a shell, as its reader would.
func TestTheReportSaysHowToPlayItAgain(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("needs curl")
	}
	k := newStack(t)
	w := k.write("done-1")
	set := map[string]string{"vars.ratio": "1/2", "turn": `[{id: guess, ask: "it's & done?", answer: {type: number, min: 0, max: 100}}]`}
	w.control(subjects.KindCreated, 0, runlog.Created{
		Name: "guess", File: "game.yaml", Source: []byte(game), Overrides: overridesOf(t, set), Agents: 6, ShardSize: 1024,
	})
	k.start()
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", k.svc.http.again(&w.fold.State))
	cmd.Dir = t.TempDir()
	out, err := cmd.Output()
	require.NoError(t, err, string(out))
	var started struct{ ID string }
	require.NoError(t, json.Unmarshal(out, &started), string(out))
	st, err := runlog.ReadControl(t.Context(), k.js, started.ID)
	require.NoError(t, err)
	require.Equal(t, game, string(st.Created.Source))
	require.Equal(t, set, st.Created.Overrides.Set)
	require.Equal(t, 6, st.Created.Agents)
	require.Equal(t, w.fold.Scenario.Seed, st.Scenario.Seed)
}
