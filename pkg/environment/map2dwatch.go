package environment

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// A watch is kept as {range, who ("" for anything), of or x and y, tell or hub, say, inside: [who is in range]}. Being inside
// is part of the state, so each coming is told once, however often the map is read back or a call is done again.

func mapWatches(tx Tx, args Args) (any, error) {
	name, err := args.Text("name")
	if err != nil {
		return nil, err
	}
	if err := CheckKey(mapWatch + name); err != nil || name == "" {
		return nil, fmt.Errorf("%w: name: it has 1 to %d bytes", ErrBadRequest, maxKey-len(mapWatch))
	}
	if _, taken := tx.Get(mapWatch + name); taken {
		return nil, fmt.Errorf("%w: the watch %s", ErrExists, name)
	}
	if r, err := args.Number("range"); err != nil || r < 0 {
		return nil, fmt.Errorf("%w: range: it is a number, and not negative", ErrBadRequest)
	}
	to, err := args.Addresses("tell")
	if err != nil {
		return nil, err
	}
	for _, field := range []string{"who", "of", "hub", "say"} {
		if _, err := args.Text(field); err != nil {
			return nil, err
		}
	}
	if _, err := pointOf(args, "x", "y"); err != nil {
		return nil, err
	}
	if (len(to) == 0) == !args.Has("hub") {
		return nil, fmt.Errorf("%w: tell: either agents or a hub", ErrBadRequest)
	}
	if args.Has("of") == (args.Has("x") && args.Has("y")) {
		return nil, fmt.Errorf("%w: of: either something on the map or a point x, y", ErrBadRequest)
	}
	w := map[string]any{"tell": to, "inside": []any{}}
	for _, field := range []string{"range", "who", "of", "x", "y", "hub", "say"} {
		if args.Has(field) {
			w[field] = args[field]
		}
	}
	now := insiders(tx, w)
	w["inside"] = now
	return map[string]any{"inside": now}, tx.Set(mapWatch+name, w)
}

func mapUnwatch(tx Tx, args Args) (any, error) {
	name, err := args.Text("name")
	if err != nil {
		return nil, err
	}
	if !tx.Delete(mapWatch + name) {
		return nil, fmt.Errorf("%w: there is no watch %.100q", ErrBadRequest, name)
	}
	return nil, nil
}

// lookout has every watch see what changed when something was moved: the thing itself, or all if the watch is around it.
func lookout(tx Tx, moved string) error {
	for _, key := range tx.Keys(mapWatch) {
		v, _ := tx.Get(key)
		w, ok := v.(map[string]any)
		if !ok {
			continue
		}
		was, _ := w["inside"].([]any)
		only, _ := w["who"].(string)
		if w["of"] != moved && only != "" && only != moved {
			continue
		}
		now := after(tx, w, was, moved)
		if slices.Equal(was, now) {
			continue
		}
		next := maps.Clone(w)
		next["inside"] = now
		if err := tx.Set(key, next); err != nil {
			return err
		}
		for _, name := range now {
			if slices.Contains(was, name) {
				continue
			}
			if err := entered(tx, key[len(mapWatch):], w, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// after lists who is in the range of a watch, in order, once something has moved. Unless the watch is around that, nobody
// else can have come or gone.
func after(tx Tx, w map[string]any, was []any, moved string) []any {
	if w["of"] == moved {
		return insiders(tx, w)
	}
	in := inside(tx, w, moved)
	place, found := slices.BinarySearchFunc(was, moved, func(e any, name string) int {
		s, _ := e.(string)
		return strings.Compare(s, name)
	})
	switch {
	case in && !found:
		return slices.Insert(slices.Clone(was), place, any(moved))
	case !in && found:
		return slices.Delete(slices.Clone(was), place, place+1)
	}
	return was
}

// insiders lists who is in the range of a watch, in order.
func insiders(tx Tx, w map[string]any) []any {
	out := []any{}
	names := []string{}
	if only, _ := w["who"].(string); only != "" {
		names = append(names, only)
	} else {
		for _, key := range tx.Keys(mapAt) {
			names = append(names, key[len(mapAt):])
		}
	}
	for _, name := range names {
		if inside(tx, w, name) {
			out = append(out, name)
		}
	}
	return out
}

// inside reports whether something is in the range of a watch. Nothing is in that of itself, or of what has no place.
func inside(tx Tx, w map[string]any, name string) bool {
	p, ok := where(tx, name)
	if !ok || w["of"] == name {
		return false
	}
	var centre point
	if of, has := w["of"].(string); has {
		if centre, ok = where(tx, of); !ok {
			return false
		}
	} else {
		centre.x, _ = float(w["x"])
		centre.y, _ = float(w["y"])
	}
	r, _ := float(w["range"])
	return p.distance(centre) <= r
}

func entered(tx Tx, watch string, w map[string]any, name any) error {
	hub, _ := w["hub"].(string)
	text, _ := w["say"].(string)
	meta := map[string]any{"environment": tx.Env(), "watch": watch, "who": name}
	if text == "" {
		text = fmt.Sprintf("%v is in range of %s", name, watch)
	}
	return tx.Tell(Tell{To: addressed(w["tell"]), Hub: hub, Listener: watch, Msg: msg.Msg{
		Name: tx.Env(), Role: msg.RoleUser, Content: msg.Text(text), Time: tx.Now(), Metadata: meta,
	}})
}
