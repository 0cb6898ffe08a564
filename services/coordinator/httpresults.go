package coordinator

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"

	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/internal/runlog"
)

// mediaTypes are those of the formats of rows.
var mediaTypes = map[report.Format]string{
	report.FormatCSV:     "text/csv; charset=utf-8; header=present",
	report.FormatJSONL:   "application/x-ndjson",
	report.FormatParquet: "application/vnd.apache.parquet",
}

func (v *server) routeResults(api huma.API) {
	op := func(id, path, summary, description string, responses map[string]*huma.Response) huma.Operation {
		return huma.Operation{
			OperationID: id, Method: http.MethodGet, Path: "/v1/runs/{id}/" + path, Tags: []string{tagResults}, Summary: summary,
			Description: description, Responses: responses,
		}
	}
	rows := sends("Rows, as they are read", text(), mediaTypes[report.FormatJSONL], "text/csv")
	rows["200"].Content[mediaTypes[report.FormatParquet]] = &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString, Format: "binary"}}
	operation(v, api, op("get-results", "results", "Download every answer",
		"One row for each round, agent and question of the closed rounds; the codebook explains the columns. If the rows cannot be read to the end the transfer breaks off.",
		rows), v.results)
	operation(v, api, op("get-summary", "summary", "Get the summary", "The object of summary.json.",
		sends("The summary", schemaOf[report.Summary](api), "application/json")), v.summary)
	operation(v, api, op("get-report", "report", "Open the report", "A page with figures and charts that needs nothing from elsewhere; save it to keep or send it.",
		sends("The page", text(), "text/html")), v.report)
	operation(v, api, op("get-codebook", "codebook", "Get the codebook", "What the columns of the results mean, as Markdown.",
		sends("The codebook", text(), "text/markdown")), v.codebook)
	operation(v, api, op("get-scenario", "scenario", "Get the scenario", "As it was sent, without what parameters changed.",
		sends("The scenario", text(), "application/yaml")), v.source)
}

// document is a response that is made in memory.
type document struct {
	Type        string `header:"Content-Type" hidden:"true"`
	Disposition string `header:"Content-Disposition" hidden:"true"`
	Policy      string `header:"Content-Security-Policy" hidden:"true"`
	Body        []byte
}

const nothingLoaded = "default-src 'none'; frame-ancestors 'none'"

func inline(mediaType, name string, fill func(io.Writer) error) (*document, error) {
	var b bytes.Buffer
	if err := fill(&b); err != nil {
		return nil, err
	}
	return &document{Type: mediaType, Disposition: disposition("inline", name), Policy: nothingLoaded, Body: b.Bytes()}, nil
}

// disposition names a download. Names are made of run ids, so they need no quoting rules.
func disposition(kind, name string) string { return fmt.Sprintf("%s; filename=%q", kind, name) }

func (v *server) summary(ctx context.Context, in *runInput) (*document, error) {
	st, err := v.state(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	sum := results.Summary(st)
	v.svc.complete(ctx, &sum)
	return inline("application/json", in.ID+"-summary.json", func(w io.Writer) error { return report.WriteJSON(w, sum) })
}

func (v *server) report(ctx context.Context, in *runInput) (*document, error) {
	st, err := v.state(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	data := results.Report(st, v.again(st))
	v.svc.complete(ctx, &data.Summary)
	d, err := inline("text/html; charset=utf-8", in.ID+"-report.html", func(w io.Writer) error { return report.HTML(w, data) })
	if err == nil {
		d.Policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
	}
	return d, err
}

// again is how to play a run again over HTTP.
func (v *server) again(st *runlog.State) string {
	o := st.Created.Overrides
	q := url.Values{"seed": {strconv.FormatUint(st.Scenario.Seed, 10)}}
	if o.Agents != nil {
		q.Set("agents", strconv.Itoa(*o.Agents))
	}
	if o.Rounds != nil {
		q.Set("rounds", strconv.Itoa(*o.Rounds))
	}
	for name, list := range map[string]map[string]string{"set": o.Set, "model": o.Models} {
		for _, k := range slices.Sorted(maps.Keys(list)) {
			q.Add(name, k+"="+list[k])
		}
	}
	base := "http://" + v.addr + "/v1/runs"
	if f := st.Created.Fork; f != nil && f.Round > 0 {
		q.Del("agents") // they are those of the other run
		q.Set("at_round", strconv.Itoa(f.Round))
		return fmt.Sprintf("curl -X POST '%s/%s/fork?%s'", base, f.Run, q.Encode())
	}
	return fmt.Sprintf("curl -o %[1]s %[2]s/%[3]s/scenario\ncurl --data-binary @%[1]s '%[2]s?%[4]s'", scenarioFile, base, st.Run, q.Encode())
}

func (v *server) codebook(ctx context.Context, in *runInput) (*document, error) {
	st, err := v.state(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return inline("text/markdown; charset=utf-8", in.ID+"-codebook.md", func(w io.Writer) error {
		return report.Codebook(w, results.Summary(st), results.PersonaColumns(st))
	})
}

func (v *server) source(ctx context.Context, in *runInput) (*document, error) {
	st, err := v.state(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return inline("application/yaml", in.ID+".yaml", func(w io.Writer) error {
		_, err := w.Write(st.Created.Source)
		return err
	})
}

type resultsInput struct {
	ID     string        `path:"id" doc:"Id of the run." example:"guess-two-thirds-4kq2m7xa"`
	Format report.Format `query:"format" enum:"jsonl,csv,parquet" default:"jsonl" doc:"JSON lines, CSV or Parquet, with the same columns."`
}

func (v *server) results(ctx context.Context, in *resultsInput) (*huma.StreamResponse, error) {
	st, err := v.state(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &huma.StreamResponse{Body: func(hc huma.Context) {
		r, w := humago.Unwrap(hc)
		out := &rowStream{
			w: w, control: http.NewResponseController(w), name: in.ID + "-results." + string(in.Format), mediaType: mediaTypes[in.Format],
		}
		if r.Method == http.MethodHead {
			out.start()
			return
		}
		rows, err := report.NewRowWriter(in.Format, out, results.Summary(st), results.PersonaColumns(st))
		if err == nil {
			err = results.Batches(r.Context(), v.svc.js, st, rows.Write)
		}
		if err == nil {
			err = rows.Close()
		}
		switch {
		case err == nil:
			out.start()
		case !out.started:
			v.write(w, r, v.explain(r.Context(), "get-results", err))
		default:
			if r.Context().Err() == nil {
				v.log.Error("results cut off", "run", in.ID, "error", err)
			}
			abort()
		}
	}}, nil
}

// rowStream sends headers with the first rows, so that an error before them can still be answered, and gives each write
// its own deadline.
type rowStream struct {
	w         http.ResponseWriter
	control   *http.ResponseController
	name      string
	mediaType string
	started   bool
}

func (s *rowStream) start() {
	if s.started {
		return
	}
	s.started = true
	s.w.Header().Set("Content-Type", s.mediaType)
	s.w.Header().Set("Content-Disposition", disposition("attachment", s.name))
	s.w.WriteHeader(http.StatusOK)
}

// Write sends rows.
func (s *rowStream) Write(p []byte) (int, error) {
	s.start()
	if err := s.control.SetWriteDeadline(time.Now().Add(writeTimeout)); err != nil {
		return 0, fmt.Errorf("deadline: %w", err)
	}
	return s.w.Write(p)
}
