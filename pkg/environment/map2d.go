package environment

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Keys of a map's state.
const (
	mapAt    = "at:"    // + what stands there: {x, y}
	mapWatch = "watch:" // + name: see watch
)

// mapConfig is the configuration of kind "map2d".
type mapConfig struct {
	Width  float64 `json:"width"`  // 0: without an edge
	Height float64 `json:"height"` // likewise
}

// NewMap2D is the kind "map2d": things stand at points of a plane. A thing is an agent's address or any other name; where none
// is given it is the caller. Its configuration is {"width", "height"}: points are from 0 up to these; without them there is
// no edge.
func NewMap2D(config []byte) (*Code, error) {
	var c mapConfig
	if err := strict(config, &c); err != nil {
		return nil, at("config", err)
	}
	if c.Width < 0 || c.Height < 0 {
		return nil, at("config", fmt.Errorf("%w: width and height are not negative", ErrBadRequest))
	}
	return &Code{Functions: map[string]Function{
		"place": {Args: []string{"x", "y", "who?"}, Do: c.place, About: "puts something at a point; returns {x, y}"},
		"move": {Args: []string{"dx", "dy", "who?"}, Do: c.move,
			About: "moves something that has a place; returns {x, y}"},
		"take":      {Args: []string{"who?"}, Do: mapTake, About: "takes something off the map"},
		"positions": {Do: mapPositions, About: "where everything is: {who: {x, y}}"},
		"nearest": {Args: []string{"who?", "x?", "y?", "n?"}, Do: mapNearest,
			About: "the n (1) nearest to something or to a point: [{who, x, y, distance}]"},
		"within": {Args: []string{"range", "who?", "x?", "y?"}, Do: mapWithin,
			About: "what is within a distance of something or of a point, nearest first: [{who, x, y, distance}]"},
		"watch": {Args: []string{"name", "range", "who?", "of?", "x?", "y?", "tell?", "hub?", "say?"}, Do: mapWatches,
			About: "tells agents or a hub each time who (or anything) comes within a distance of something or of a point"},
		"unwatch": {Args: []string{"name"}, Do: mapUnwatch, About: "ends a watch"},
	}}, nil
}

type point struct{ x, y float64 }

func (p point) distance(q point) float64 { return math.Hypot(p.x-q.x, p.y-q.y) }

func (p point) value() map[string]any { return map[string]any{"x": p.x, "y": p.y} }

// who is the thing that a call is about.
func who(tx Tx, args Args) (string, error) {
	name, err := args.Text("who")
	if err == nil && name == "" {
		if name = string(tx.Caller()); name == "" {
			err = fmt.Errorf("%w: who: the caller is no agent", ErrBadRequest)
		}
	}
	return name, err
}

// where is the place of a thing.
func where(tx Tx, name string) (point, bool) {
	v, _ := tx.Get(mapAt + name)
	m, ok := v.(map[string]any)
	if !ok {
		return point{}, false
	}
	x, okX := float(m["x"])
	y, okY := float(m["y"])
	return point{x, y}, okX && okY
}

func float(v any) (float64, bool) {
	switch v := v.(type) {
	case int64:
		return float64(v), true
	case float64:
		return v, true
	}
	return 0, false
}

// pointOf reads a point from two arguments.
func pointOf(args Args, x, y string) (p point, err error) {
	if p.x, err = args.Number(x); err == nil {
		p.y, err = args.Number(y)
	}
	return p, err
}

func (c mapConfig) place(tx Tx, args Args) (any, error) {
	name, err := who(tx, args)
	if err != nil {
		return nil, err
	}
	to, err := pointOf(args, "x", "y")
	if err != nil {
		return nil, err
	}
	return c.put(tx, name, to)
}

func (c mapConfig) move(tx Tx, args Args) (any, error) {
	name, err := who(tx, args)
	if err != nil {
		return nil, err
	}
	by, err := pointOf(args, "dx", "dy")
	if err != nil {
		return nil, err
	}
	from, ok := where(tx, name)
	if !ok {
		return nil, nowhere(name)
	}
	return c.put(tx, name, point{from.x + by.x, from.y + by.y})
}

func nowhere(name string) error {
	return fmt.Errorf("%w: %.100q is not on the map", ErrBadRequest, name)
}

func (c mapConfig) put(tx Tx, name string, to point) (any, error) {
	out := func(v, edge float64) bool { return edge > 0 && (v < 0 || v > edge) }
	if out(to.x, c.Width) || out(to.y, c.Height) {
		return nil, fmt.Errorf("%w: (%v, %v) is off a map of %v by %v", ErrBadRequest, to.x, to.y, c.Width, c.Height)
	}
	if err := tx.Set(mapAt+name, to.value()); err != nil {
		return nil, err
	}
	return to.value(), lookout(tx, name)
}

func mapTake(tx Tx, args Args) (any, error) {
	name, err := who(tx, args)
	if err != nil {
		return nil, err
	}
	if !tx.Delete(mapAt + name) {
		return nil, nowhere(name)
	}
	return nil, lookout(tx, name)
}

func mapPositions(tx Tx, _ Args) (any, error) {
	out := map[string]any{}
	for name, p := range places(tx) {
		out[name] = p.value()
	}
	return out, nil
}

func places(tx Tx) map[string]point {
	out := map[string]point{}
	for _, key := range tx.Keys(mapAt) {
		name := strings.TrimPrefix(key, mapAt)
		if p, ok := where(tx, name); ok {
			out[name] = p
		}
	}
	return out
}

// around lists what is near the thing or point that the arguments name, nearest first, without the thing itself.
func around(tx Tx, args Args) ([]map[string]any, error) {
	var from point
	self := ""
	var err error
	if args.Has("x") || args.Has("y") {
		from, err = pointOf(args, "x", "y")
	} else if self, err = who(tx, args); err == nil {
		var ok bool
		if from, ok = where(tx, self); !ok {
			err = nowhere(self)
		}
	}
	if err != nil {
		return nil, err
	}
	var out []map[string]any
	for name, p := range places(tx) {
		if name != self {
			out = append(out, map[string]any{"who": name, "x": p.x, "y": p.y, "distance": p.distance(from)})
		}
	}
	slices.SortFunc(out, func(a, b map[string]any) int {
		x, _ := a["distance"].(float64)
		y, _ := b["distance"].(float64)
		return cmp.Or(cmp.Compare(x, y), strings.Compare(fmt.Sprint(a["who"]), fmt.Sprint(b["who"])))
	})
	return out, nil
}

func mapNearest(tx Tx, args Args) (any, error) {
	near, err := around(tx, args)
	if err != nil {
		return nil, err
	}
	n, err := args.Int("n")
	if err != nil {
		return nil, err
	}
	if !args.Has("n") {
		n = 1
	}
	return near[:min(int64(len(near)), max(n, 0))], nil
}

func mapWithin(tx Tx, args Args) (any, error) {
	near, err := around(tx, args)
	if err != nil {
		return nil, err
	}
	r, err := args.Number("range")
	if err != nil {
		return nil, err
	}
	end := slices.IndexFunc(near, func(m map[string]any) bool { d, _ := m["distance"].(float64); return d > r })
	if end < 0 {
		end = len(near)
	}
	return near[:end], nil
}

// addressed are the addresses among those a watch tells that are well formed; what is in the state was checked, unless a
// built-in function wrote there.
func addressed(v any) []subjects.Address {
	list, _ := v.([]any)
	var out []subjects.Address
	for _, e := range list {
		if s, ok := e.(string); ok && subjects.Address(s).Check() == nil {
			out = append(out, subjects.Address(s))
		}
	}
	return out
}
