package report

import (
	"fmt"
	"html/template"
	"maps"
	"slices"
	"strings"
)

// page is what the page template shows.
type page struct {
	CSS       template.CSS
	Data      Data
	Title     string
	Facts     string // one line under the title
	StateNote string
	Done      bool // the run finished
	Notice    string
	Tiles     []tile
	Questions []questionView
	Rounds    sheet
	Models    []modelView
	Personas  []personaView
	Whole     string // that no answer is lost
	Receipt   []tile
	Faults    *faultsView // nil where nothing went wrong
}

// tile is a figure with its name and, where needed, a line that says what it means.
type tile struct{ Name, Figure, Note string }

// sheet is a table.
type sheet struct {
	Caption string
	Head    []string
	Rows    [][]string
}

type modelView struct {
	Model
	Kind   string
	Agents string
}

type personaView struct {
	Name       string
	Categories []categoryView
}

type categoryView struct {
	Name, Count string
	Share       float64 // percent of the agents
}

func newPage(d Data) page {
	s := d.Summary
	p := page{Data: d, Title: clean(s.Scenario), Done: s.State == "finished"}
	p.Facts = fmt.Sprintf("%s, %s, seed %d. Started %s.", plural(s.Agents, "agent"), plural(len(s.Rounds), "round"), s.Seed, s.Started.UTC().Format("2 January 2006, 15:04 UTC"))
	if from := s.Inherited(); from != "" {
		p.Facts += " " + from
	}
	p.StateNote = s.State
	if s.StopReason != "" {
		p.StateNote += ": " + s.StopReason
	}
	p.Notice = notice(s.Models)
	p.Tiles = tiles(s)
	for i, q := range s.Questions {
		p.Questions = append(p.Questions, newQuestionView(d, q, i))
	}
	p.Rounds = roundSheet(s)
	for _, m := range s.Models {
		p.Models = append(p.Models, modelView{Model: m, Kind: kindOf(m), Agents: count(m.Agents)})
	}
	for _, a := range d.Personas {
		v := personaView{Name: a.Name}
		for _, c := range a.Categories {
			cv := categoryView{Name: c.Name, Count: count(c.Count)}
			if s.Agents > 0 {
				cv.Share = at(100 * float64(c.Count) / float64(s.Agents))
			}
			v.Categories = append(v.Categories, cv)
		}
		p.Personas = append(p.Personas, v)
	}
	p.Whole = s.whole()
	for _, e := range s.Receipt.entries() {
		p.Receipt = append(p.Receipt, e.tile)
	}
	p.Faults = newFaultsView(d)
	return p
}

// notice says which players are not language models; "" if all are.
func notice(models []Model) string {
	var names, outside, replayed, parts []string
	for _, m := range models {
		switch {
		case m.Behavioural:
			names = append(names, fmt.Sprintf("%s (%s)", m.Name, m.Provider))
		case m.outside():
			outside = append(outside, fmt.Sprintf("%s (%s)", m.Name, m.Note))
		case m.replayed():
			replayed = append(replayed, fmt.Sprintf("%s (%s)", m.Name, m.Note))
		}
	}
	switch {
	case len(names) == 0:
	case len(names) == len(models):
		return "Behavioural model, not an LLM. No language model took part in this run; it was played by " + strings.Join(names, ", ") + "."
	default:
		parts = append(parts, "Not only language models. Some agents are played by behavioural models: "+strings.Join(names, ", ")+".")
	}
	if len(outside) > 0 {
		parts = append(parts, "Code agents took part, of which only the answers are known: "+strings.Join(outside, ", ")+".")
	}
	if len(replayed) > 0 {
		parts = append(parts, "A replay: "+strings.Join(replayed, ", ")+".")
	}
	return strings.Join(parts, " ")
}

func tiles(s Summary) []tile {
	var answers, valid, calls, tokens int
	for _, r := range s.Own() {
		calls += r.Calls
		tokens += r.TokensIn + r.TokensOut
	}
	for _, r := range s.Rounds {
		for _, q := range s.Questions {
			answers += r.Questions[q.ID].Answers
			valid += r.Questions[q.ID].Valid
		}
	}
	return []tile{
		bigTile("Agents", s.Agents),
		{"Rounds", count(len(s.Rounds)), ""},
		{"Valid answers", percent(valid, answers), count(valid) + " of " + count(answers)},
		bigTile("Model calls", calls),
		bigTile("Tokens", tokens),
		{"Seconds", seconds(s.Seconds), ""},
	}
}

// bigTile shortens a count that would not fit and gives it in full beneath.
func bigTile(name string, n int) tile {
	switch {
	case n >= 1_000_000_000:
		return tile{name, short(float64(n)/1e9, 1) + "B", count(n)}
	case n >= 1_000_000:
		return tile{name, short(float64(n)/1e6, 1) + "M", count(n)}
	}
	return tile{name, count(n), ""}
}

// roundSheet has the world and the effort of every round.
func roundSheet(s Summary) sheet {
	keys := map[string]bool{}
	for _, r := range s.Rounds {
		for k := range r.World {
			keys[k] = true
		}
	}
	var world []column
	for _, k := range slices.Sorted(maps.Keys(keys)) {
		c := column{head: "world." + clean(k)}
		for _, r := range s.Rounds {
			cell := none
			if v, ok := r.World[k]; ok {
				cell = short(v, 4)
			}
			c.cells = append(c.cells, cell)
		}
		world = append(world, c)
	}
	return grid{key: roundColumn(s), groups: [][]column{world, effortColumns(s)}}.sheet("World and effort by round")
}

// sheet is the grid as a table of one piece.
func (g grid) sheet(caption string) sheet {
	out := sheet{Caption: caption, Head: []string{g.key.head}, Rows: make([][]string, len(g.key.cells))}
	for row, key := range g.key.cells {
		out.Rows[row] = []string{key}
	}
	for _, group := range g.groups {
		for _, c := range group {
			out.Head = append(out.Head, c.head)
			for row := range out.Rows {
				out.Rows[row] = append(out.Rows[row], c.cells[row])
			}
		}
	}
	return out
}
