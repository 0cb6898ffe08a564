package report

import (
	"fmt"
	"io"
	"strings"
)

// Persona is an attribute of agents, a persona column of the rows.
type Persona struct {
	Name       string
	Categories []Category // empty for free text
}

// Category is a value of an attribute.
type Category struct {
	Name  string
	Count int // agents that have it; 0 if not known
}

// columnMeanings explains columns, in order.
var columnMeanings = [len(columns)]string{
	"Identifier of the run.",
	"Condition of a designed experiment; empty outside one.",
	"Replicate of the condition, from 1.",
	"Round, from 1.",
	"Number of the agent, from 0. The same agent has the same number in every round.",
	"Block of the scenario's `agents` the agent belongs to.",
	"Group the agent belongs to; empty if the scenario has no groups.",
	"Identifier of the question, see below.",
	"How the answer came to be, see below.",
	"The answer as it was read. Numbers are plain decimals with the decimals of their question and never have an exponent. Empty (null in JSON) where no value was had.",
	"The reply as the model gave it, unchanged. It may hold commas, quotes and line breaks.",
	"Name of the model in the scenario's `models`.",
	"Name of the model as the server reported it.",
	"First 16 hexadecimal digits of the SHA-256 of the messages first sent for this answer. Equal prompts have equal digits.",
	"Completions it took to get the answer, including those that extracted it or asked again.",
	"Tokens of all prompts behind the answer, as reported by the server.",
	"Tokens of all completions behind the answer, as reported by the server.",
	"Number of the agent whose model call was asked in this one's place, because both had the same prompt and the scenario shares identical calls; empty (null in JSON) where the agent had a call of its own.",
	"`true` where the server reported the tokens of these calls. `false` where it reported them for a whole batch and they are shared out over its answers: then only sums are exact.",
	"Why there is no answer, in the server's words, where it refused the content of the call, such as a content filter; else empty.",
}

// statusMeanings explains statuses in the order of their table.
var statusMeanings = [...][3]string{
	{"answered", "yes", "Read from the reply by a fixed rule."},
	{"extracted", "yes", "The rule could not read the reply, so a second model call was asked to quote the answer in it."},
	{"repaired", "yes", "The reply was damaged or outside what is allowed; it was mended, or the agent was asked again and told what was wrong."},
	{"refused", "no", "The agent declined to answer."},
	{"fallback", "yes", "No answer was had; the value is the one the scenario's `missing` rule puts in its place. Leave these out to see what agents said themselves."},
	{"missing", "no", "No answer was had and none was put in its place."},
}

// Codebook writes the Markdown that explains the rows of a run: columns, statuses, questions and persona attributes.
func Codebook(w io.Writer, s Summary, personas []Persona) error {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("# Codebook: %s", markdown(s.Scenario))
	line("")
	line("Run `%s`, seed %d, %s, %s, result hash `%s`.", code(s.Run), s.Seed, plural(s.Agents, "agent"), plural(len(s.Rounds), "round"), code(s.ResultHash))
	if from := s.Inherited(); from != "" && s.Fork.Round > 0 {
		line("%s Their rows have the id of this run, like all others.", from)
	}
	line("")
	line("`results.csv`, `results.jsonl` and `results.parquet`, as far as they were asked for, hold the same rows: one for each round, agent and question.")
	line("")
	line("## Columns")
	line("")
	line("| column | meaning |")
	line("| --- | --- |")
	for i, name := range columns {
		line("| `%s` | %s |", name, columnMeanings[i])
	}
	for _, p := range personas {
		line("| `%s` | %s |", code(PersonaPrefix+p.Name), categories(p))
	}
	line("")
	line("## Statuses")
	line("")
	line("Statistics are over valid answers only.")
	line("")
	line("| status | valid | meaning |")
	line("| --- | --- | --- |")
	for _, m := range statusMeanings {
		line("| `%s` | %s | %s |", m[0], m[1], m[2])
	}
	line("")
	line("## Questions")
	line("")
	line("| question | answer | asked as |")
	line("| --- | --- | --- |")
	for _, q := range s.Questions {
		line("| `%s` | %s | `%s` |", code(q.ID), answerType(q), code(q.Ask))
	}
	line("")
	line("## Models")
	line("")
	line("| model | provider | kind | note |")
	line("| --- | --- | --- | --- |")
	for _, m := range s.Models {
		line("| `%s` | %s | %s | %s |", code(m.Name), markdown(m.Provider), kindOf(m), markdown(m.Note))
	}
	line("")
	b.WriteString(readingNotes)
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("report: write codebook: %w", err)
	}
	return nil
}

const readingNotes = `## Reading the files

- The CSV is UTF-8 with a header; fields are quoted as RFC 4180 says and lines end in LF. A quoted field may hold line
  breaks, so count rows with a CSV reader and not by lines. The JSON lines file has one row a line.
- In the Parquet file the answer is in two columns, of which a row has at most one: ` + "`value`" + ` (double) for numbers and points,
  ` + "`value_text`" + ` for all others. ` + "`condition`, `group`, `served_model`, `shared_with` and `note`" + ` are null where they are empty in the
  CSV, and ` + "`prompt_sha`" + ` is the same text. The file's metadata hold the run, the scenario, the seed and the result hash.
- Cells are published as they are. Replies may begin with ` + "`=`, `+`, `-` or `@`" + `, which a spreadsheet takes for a formula:
  import the columns ` + "`value`, `raw`" + ` and all names as text instead of opening the file.
- Tokens of an answer with ` + "`shared_with`" + ` are those of calls of its own, if it had any: what was shared is paid for once.
`

// kindOf says whether a model is a language model.
func kindOf(m Model) string {
	switch {
	case m.Behavioural:
		return "behavioural model, not an LLM"
	case m.outside():
		return "code agent, of which only the answers are known"
	case m.replayed():
		return "replay of an earlier run"
	}
	return "language model"
}

func answerType(q Question) string {
	switch q.Type {
	case TypeNumber:
		return "number, " + plural(q.Decimals, "decimal")
	case TypeLikert:
		return fmt.Sprintf("likert, 1 to %d", q.Points)
	case TypeChoice:
		names := make([]string, len(q.Choices))
		for i, c := range q.Choices {
			names[i] = "`" + code(c) + "`"
		}
		return "choice: " + strings.Join(names, ", ")
	}
	return markdown(q.Type)
}

func categories(p Persona) string {
	if len(p.Categories) == 0 {
		return "Persona attribute, free text."
	}
	names := make([]string, len(p.Categories))
	for i, c := range p.Categories {
		names[i] = "`" + code(c.Name) + "`"
		if c.Count > 0 {
			names[i] += " (" + count(c.Count) + ")"
		}
	}
	return "Persona attribute: " + strings.Join(names, ", ") + "."
}

// markdown escapes text for a line or table cell of Markdown.
func markdown(s string) string {
	var b strings.Builder
	for _, r := range clean(s) {
		if strings.ContainsRune("\\`*_{}[]<>#|&!~$", r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

// code makes text safe between single backticks, in table cells too.
func code(s string) string {
	s = strings.NewReplacer("`", "'", "|", "\\|").Replace(clean(s))
	if s == "" {
		return " "
	}
	return s
}
