package scenario

import (
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/myriad-sim/myriad/internal/expression"
)

// Overrides change a scenario without changing its file. A run is recorded as source and overrides, so that every
// service loads the same scenario from them.
type Overrides struct {
	Agents *int              `msgpack:"agents,omitempty" json:"agents,omitempty"` // population.size
	Rounds *int              `msgpack:"rounds,omitempty" json:"rounds,omitempty"`
	Seed   *uint64           `msgpack:"seed,omitempty" json:"seed,omitempty"`
	Set    map[string]string `msgpack:"set,omitempty" json:"set,omitempty"`       // path such as vars.ratio -> value as YAML
	Models map[string]string `msgpack:"models,omitempty" json:"models,omitempty"` // name -> openai:URL:MODEL, levelk:TAU, dummy:LATENCY, agent:HOST/AGENT, replay:RUN
}

// apply changes the document's tree. Models come first, so that Set can refine them; the plain numbers win over Set.
func (o Overrides) apply(root *node, p *problems) {
	for _, name := range slices.Sorted(maps.Keys(o.Models)) {
		overrideModel(root, name, o.Models[name], p)
	}
	for _, path := range slices.Sorted(maps.Keys(o.Set)) {
		flag := fmt.Sprintf("--set %s=%s", path, o.Set[path])
		setPath(root, path, o.Set[path], clipped(flag), p)
	}
	if o.Agents != nil {
		setNumber(root, "population.size", "--agents", strconv.Itoa(*o.Agents), p)
	}
	if o.Rounds != nil {
		setNumber(root, "rounds", "--rounds", strconv.Itoa(*o.Rounds), p)
	}
	if o.Seed != nil {
		setNumber(root, "seed", "--seed", strconv.FormatUint(*o.Seed, 10), p)
	}
}

func setNumber(root *node, path, flag, value string, p *problems) {
	setPath(root, path, value, flag+" "+value, p)
}

// setPath puts a value at a path of declared keys. A key the user chose, such as a var, must be in the file already:
// otherwise a slip would add a new one silently.
func setPath(root *node, path, value, flag string, p *problems) {
	at, t := root, reflect.TypeFor[document]()
	keys := strings.Split(path, ".")
	for i, key := range keys {
		known, free := keysUnder(t, at)
		next := typeUnder(t, key)
		if next == nil || free && at.find(key) == nil {
			where := ""
			if i > 0 {
				where = " in " + strings.Join(keys[:i], ".")
			}
			p.addFlag(flag, path, fmt.Sprintf("there is no %q%s to set", clipped(key), where), expression.Nearest(key, known))
			return
		}
		if i == len(keys)-1 {
			if n := overrideValue(next, value, flag, p); n != nil {
				at.put(key, n)
			}
			return
		}
		child := at.find(key)
		if child == nil || child.kind == kindNull {
			child = &node{kind: kindMap, flag: flag}
			at.put(key, child)
		}
		if child.kind != kindMap {
			p.addFlag(flag, path, fmt.Sprintf("%q is %s; --set reaches only named keys", key, child.kind), "")
			return
		}
		at, t = child, next
	}
}

// keysUnder are the keys a type knows; free when the user chooses them.
func keysUnder(t reflect.Type, at *node) (known []string, free bool) {
	if _, ok := reflect.TypeAssert[tabular](reflect.New(t)); ok {
		return at.keys(), true
	}
	if t.Kind() != reflect.Struct || isLeaf(t) {
		return nil, false
	}
	for _, f := range fieldsOf(t) {
		known = append(known, f.rules.key)
	}
	return known, false
}

// typeUnder is the declared type of what stands under a key, or nil.
func typeUnder(t reflect.Type, key string) reflect.Type {
	if tab, ok := reflect.TypeAssert[tabular](reflect.New(t)); ok {
		return tab.element()
	}
	if t.Kind() != reflect.Struct || isLeaf(t) {
		return nil
	}
	for _, f := range fieldsOf(t) {
		if f.rules.key == key {
			ft := t.Field(f.index).Type
			if ft.Kind() == reflect.Pointer {
				ft = ft.Elem()
			}
			return ft
		}
	}
	return nil
}

// tabular is a mapping whose keys the user chooses.
type tabular interface{ element() reflect.Type }

func (t *table[T]) element() reflect.Type { return reflect.TypeFor[T]() }

// isLeaf reports whether a type reads its node itself.
func isLeaf(t reflect.Type) bool {
	_, ok := reflect.TypeAssert[part](reflect.New(t))
	return ok
}

// overrideValue is the node of a value: the text itself where a scalar goes, YAML where a list or mapping may.
func overrideValue(t reflect.Type, value, flag string, p *problems) *node {
	open := strings.HasPrefix(value, "[") || strings.HasPrefix(value, "{")
	switch reflect.New(t).Interface().(type) {
	case *word, *number, *whole, *source, *prose, *span, *constant, *toggle, *money:
		open = false
	}
	if !open {
		return &node{kind: kindText, text: value, raw: true, flag: flag}
	}
	if len(value) > maxBytes {
		p.addFlag(flag, "", "the value is too long", "")
		return nil
	}
	return parseYAML(normalise([]byte(value)), flag, p)
}

var (
	endpointPattern = regexp.MustCompile(`^(https?://(?:\[[^\]]*\]|[^/:]+)(?::[0-9]+)?(?:/[^:]*)?):(.+)$`)
	portPattern     = regexp.MustCompile(`^[0-9]+(/|$)`)
)

// splitEndpoint splits URL:MODEL. The URL ends at the first colon that is not part of its scheme, address or port; the
// model is "" when there is none. Both may hold more colons and slashes: http://[::1]:11434/v1:llama3:8b.
func splitEndpoint(s string) (url, model string) {
	parts := endpointPattern.FindStringSubmatch(s)
	if parts == nil || portPattern.MatchString(parts[2]) {
		return "", ""
	}
	return parts[1], parts[2]
}

// overrideModel replaces a model by what KIND:VALUE says. Settings the file gives for the same provider stay.
func overrideModel(root *node, name, value string, p *problems) {
	flag := clipped(fmt.Sprintf("--model %s=%s", name, value))
	path := "models." + name
	models := root.find("models")
	if models == nil || models.find(name) == nil {
		p.addFlag(flag, path, fmt.Sprintf("there is no model %q", clipped(name)), expression.Nearest(name, models.keys()))
		return
	}
	scalar := func(text string) *node { return &node{kind: kindText, text: text, raw: true, flag: flag} }
	out := &node{kind: kindMap, flag: flag}
	provider, rest, _ := strings.Cut(value, ":")
	if old := models.find(name); old.kind == kindMap {
		if was := old.find("provider"); was != nil && was.text == provider {
			out.entries = slices.Clone(old.entries)
		}
	}
	out.put("provider", scalar(provider))
	url, model := splitEndpoint(rest)
	host, agent, _ := strings.Cut(rest, "/")
	switch {
	case provider == "openai" && model != "":
		out.put("endpoints", &node{kind: kindList, flag: flag, items: []*node{scalar(url)}})
		out.put("model", scalar(model))
	case provider == "levelk" && rest != "":
		out.put("tau", scalar(rest))
	case provider == "dummy" && rest != "":
		out.put("latency", scalar(rest))
	case provider == "agent" && agent != "":
		out.put("host", scalar(host))
		out.put("agent", scalar(agent))
	case provider == "replay" && rest != "":
		out.put("run", scalar(rest))
	default:
		p.addFlag(flag, path, "want openai:URL:MODEL, levelk:TAU, dummy:LATENCY, agent:HOST/AGENT or replay:RUN, such as openai:http://localhost:8000/v1:Qwen/Qwen2-7B-Instruct", "")
		return
	}
	models.put(name, out)
}
