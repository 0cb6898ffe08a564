package scenario

import (
	"encoding/json"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/myriad-sim/myriad/internal/expression"
	"github.com/myriad-sim/myriad/pkg/environment/formula"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// environments resolves the environments, parents before what is inside them.
func (r *resolver) environments() {
	rows := r.doc.Environments.rows
	names := make([]string, len(rows))
	for i, row := range rows {
		names[i] = row.key.text
	}
	for i, row := range rows {
		if at := strings.LastIndexByte(names[i], '/'); at >= 0 && !slices.Contains(names, names[i][:at]) {
			r.suggest(row.key, expression.Nearest(names[i][:at], names), "%q is inside %q, which is not declared", clipped(names[i]), clipped(names[i][:at]))
		}
		r.s.Environments = append(r.s.Environments, r.environment(names[i], row.value))
	}
	slices.SortStableFunc(r.s.Environments, func(a, b Environment) int {
		return strings.Count(a.Name, "/") - strings.Count(b.Name, "/")
	})
}

func (r *resolver) environment(name string, doc environmentDoc) Environment {
	e := Environment{Name: name, Kind: doc.Kind.v, Config: map[string]json.RawMessage{}}
	put := func(key string, n number) {
		if n.set() {
			e.Config[key] = json.RawMessage(strconv.FormatFloat(n.float(), 'g', -1, 64))
		}
	}
	switch e.Kind {
	case EnvironmentState:
		r.state(&e, doc)
	case EnvironmentChatroom:
		e.Config["keep"] = json.RawMessage(strconv.Itoa(doc.Keep.integer(10_000)))
	case EnvironmentMap2D:
		put("width", doc.Width)
		put("height", doc.Height)
	case EnvironmentTimeline:
		put("start", doc.Start)
	}
	return e
}

// state resolves what a kind "state" is made with.
func (r *resolver) state(e *Environment, doc environmentDoc) {
	state := map[string]json.RawMessage{}
	for _, row := range doc.State.rows {
		state[row.key.text] = row.value.v
	}
	functions := map[string]any{}
	for _, row := range doc.Functions.rows {
		if slices.Contains(builtinFunctions, row.key.text) {
			r.at(row.key, "%q is a function that every environment has", row.key.text)
		}
		functions[row.key.text] = r.function(row.value)
	}
	for key, v := range map[string]any{"state": state, "functions": functions} {
		data, err := json.Marshal(v)
		if err != nil {
			r.at(doc.at, "%q cannot be kept: %v", key, err)
		} else if len(data) > len("{}") {
			e.Config[key] = data
		}
	}
	for _, l := range doc.Listeners.items {
		if l.Name.set() && slices.ContainsFunc(e.Listeners, func(o Listener) bool { return o.Name == l.Name.v }) {
			r.at(l.Name.at, "there are two listeners called %q", clipped(l.Name.v))
		}
		e.Listeners = append(e.Listeners, r.listener(l))
	}
}

// builtinFunctions are those that no environment can declare.
var builtinFunctions = []string{
	"get", "set", "compare_and_set", "incr", "append", "delete", "keys", "query", "export", "describe", "create", "remove", "listen", "unlisten",
}

var argumentPattern = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,63}\??$`)

func (r *resolver) function(doc functionDoc) map[string]any {
	args, names := []string{}, []string{}
	for _, a := range doc.Args.items {
		name := strings.TrimSuffix(a.v, "?")
		switch {
		case !a.set():
			continue
		case !argumentPattern.MatchString(a.v):
			r.at(a.at, "%q is not a usable name: letters, digits and _, starting with a letter, and ? at the end if it may be missing", clipped(a.v))
		case slices.Contains(names, name):
			r.at(a.at, "argument %q is here twice", name)
		}
		args, names = append(args, a.v), append(names, name)
	}
	set := map[string]string{}
	for _, row := range doc.Set.rows {
		set[row.key.text] = r.formula(row.value, names)
	}
	if doc.at != nil && len(set) == 0 && !doc.Returns.set() {
		r.at(doc.at, "a function sets keys, or returns something")
	}
	out := map[string]any{"args": args, "set": set}
	if doc.Returns.set() {
		out["returns"] = r.formula(doc.Returns, names)
	}
	if doc.About.set() {
		out["about"] = doc.About.v
	}
	return out
}

// formula checks an expression of an environment and returns it.
func (r *resolver) formula(src source, args []string) string {
	if !src.set() {
		return ""
	}
	if _, err := formula.Compile(src.at.text, args); err != nil {
		r.formulaError(src.at, 0, err)
	}
	return src.at.text
}

var formulaAt = regexp.MustCompile(`(?s)^at ([0-9]+): (.*)$`)

// formulaError reports what is wrong with an expression that begins at a byte offset of a scalar.
func (r *resolver) formulaError(n *node, offset int, err error) {
	text := strings.TrimPrefix(err.Error(), formula.ErrSyntax.Error()+": ")
	if parts := formulaAt.FindStringSubmatch(text); parts != nil {
		text = strings.TrimSuffix(parts[2], "; there are ") // none
		if at, err := strconv.Atoi(parts[1]); err == nil {
			offset += byteOffset(n.text[offset:], at-1)
		}
	}
	r.inside(n, min(offset, len(n.text)), text, "")
}

// byteOffset is where the character of a number begins.
func byteOffset(text string, characters int) int {
	at := 0
	for range characters {
		_, size := utf8.DecodeRuneInString(text[at:])
		at += size
	}
	return at
}

// maxTell is how many agents a listener may tell by itself.
const maxTell = 10_000

func (r *resolver) listener(doc listenerDoc) Listener {
	out := Listener{Name: doc.Name.v, When: r.formula(doc.When, []string{}), On: doc.On.v, Hub: doc.Hub.v, Say: r.said(doc.Say)}
	if doc.at == nil {
		return out
	}
	if len(out.Name) > 256 {
		r.at(doc.Name.at, "a listener's name has at most 256 bytes")
	}
	if !doc.When.set() && !doc.On.set() {
		r.at(doc.at, "a listener needs a condition in when, or something in on")
	}
	if doc.Tell.set() == doc.Hub.set() {
		r.at(doc.at, "a listener tells agents or a hub")
	}
	told := 0
	for _, a := range doc.Tell.items {
		if who, ok := r.audience(a); ok {
			out.Tell = append(out.Tell, who)
			told += max(1, who.Count)
		}
	}
	if told > maxTell {
		r.at(doc.Tell.at, "these are %d agents; a listener tells at most %d, and a hub any number", told, maxTell)
	}
	return out
}

// said checks a text with expressions and returns it.
func (r *resolver) said(doc prose) string {
	if !doc.set() {
		return ""
	}
	text := doc.at.text
	if _, err := formula.Parse(text, []string{}); err == nil {
		return text
	}
	for at := 0; ; {
		open := strings.Index(text[at:], "{{")
		if open < 0 {
			r.at(doc.at, "the text is too long")
			return text
		}
		at += open + len("{{")
		inside, _, closed := strings.Cut(text[at:], "}}")
		if !closed {
			r.inside(doc.at, at-len("{{"), "{{ without }}", "")
			return text
		}
		if _, err := formula.Compile(inside, []string{}); err != nil {
			r.formulaError(doc.at, at, err)
			return text
		}
		at += len(inside) + len("}}")
	}
}

// audience resolves who is told.
func (r *resolver) audience(a audience) (out Audience, ok bool) {
	size := r.s.Population.Size
	switch {
	case !a.set():
		return out, false
	case a.at.kind == kindMap:
		at := slices.IndexFunc(r.s.Blocks, func(b Block) bool { return b.Name == a.block.v })
		if at < 0 {
			if a.block.set() {
				r.suggest(a.block.at, expression.Nearest(a.block.v, r.doc.Agents.names()), "there is no block %q", clipped(a.block.v))
			}
			return out, false
		}
		return Audience{First: r.s.Blocks[at].First, Count: r.s.Blocks[at].Count}, true
	case a.at.text == "all":
		return Audience{Count: size}, true
	}
	if n, err := strconv.Atoi(a.at.text); err == nil {
		if n < 0 || n >= size && size > 0 {
			r.at(a.at, "there is no agent %d; they are numbered from 0 to %d", n, size-1)
			return out, false
		}
		return Audience{First: n, Count: 1}, true
	}
	to := subjects.Address(a.at.text)
	if err := to.Check(); err != nil {
		r.at(a.at, "%q is not all, {block: NAME}, the number of an agent, or an address such as code.HOST.NAME", clipped(a.at.text))
		return out, false
	}
	return Audience{Address: to}, true
}
