package game

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"path"
	"slices"

	"github.com/myriad-sim/myriad/pkg/environment"
)

// Config is the configuration of either kind of environment.
type Config struct {
	Parts int `json:"parts"` // groups of a game, members of a group
}

func read(config []byte) (c Config, err error) {
	if err := json.Unmarshal(config, &c); err != nil {
		return c, fmt.Errorf("%w: config: %w", environment.ErrBadRequest, err)
	}
	if c.Parts < 1 {
		return c, fmt.Errorf("%w: config.parts is %d, want at least 1", environment.ErrBadRequest, c.Parts)
	}
	return c, nil
}

// Result is what all may know of a round.
type Result struct {
	Groups map[string]float64 `json:"groups"`
	Target float64            `json:"target"`
	Winner string             `json:"winner"`
}

// Known is what a member of a group may know of a round.
type Known struct {
	Result
	Members []float64 `json:"members"` // of the own group, ascending
}

// newGame is the environment around the groups.
func newGame(config []byte) (*environment.Code, error) {
	c, err := read(config)
	if err != nil {
		return nil, err
	}
	return &environment.Code{Functions: map[string]environment.Function{
		"announce": {Args: []string{"round", "group", "number"}, About: "the number of a group in a round", Do: c.announce},
		"result":   {Args: []string{"round"}, About: "what all may know of a round", Do: result},
	}}, nil
}

func (c Config) announce(tx environment.Tx, args environment.Args) (any, error) {
	round, err := args.Int("round")
	if err != nil {
		return nil, err
	}
	group, err := args.Text("group")
	if err != nil {
		return nil, err
	}
	if err := tx.Set(fmt.Sprintf("number:%d:%s", round, group), args["number"]); err != nil {
		return nil, err
	}
	prefix := fmt.Sprintf("number:%d:", round)
	keys := tx.Keys(prefix)
	if len(keys) < c.Parts {
		return nil, nil
	}
	r := Result{Groups: map[string]float64{}}
	for _, k := range keys {
		n := number(tx, k)
		r.Groups[k[len(prefix):]] = n
		r.Target += Ratio * n / float64(len(keys))
	}
	for _, k := range keys {
		if name := k[len(prefix):]; r.Winner == "" || math.Abs(r.Groups[name]-r.Target) < math.Abs(r.Groups[r.Winner]-r.Target) {
			r.Winner = name
		}
	}
	for key, v := range map[string]any{
		fmt.Sprintf("result:%d", round): r,
		"winner":                        r.Winner,
		"over":                          round,
	} {
		if err := tx.Set(key, v); err != nil {
			return nil, err
		}
	}
	return nil, nil
}

func result(tx environment.Tx, args environment.Args) (any, error) {
	round, err := args.Int("round")
	if err != nil {
		return nil, err
	}
	v, ok := tx.Get(fmt.Sprintf("result:%d", round))
	if !ok {
		return nil, fmt.Errorf("%w: round %d is not over", environment.ErrBadRequest, round)
	}
	return v, nil
}

// newGroup is the environment of a group.
func newGroup(config []byte) (*environment.Code, error) {
	c, err := read(config)
	if err != nil {
		return nil, err
	}
	return &environment.Code{Functions: map[string]environment.Function{
		"report": {Args: []string{"round", "number"}, About: "the number of the calling member", Do: c.report},
		"known":  {Args: []string{"round"}, About: "what members of the group may know of a round", Do: known},
	}}, nil
}

// report keeps the number of a member, and passes on that of the group when it is the last.
func (c Config) report(tx environment.Tx, args environment.Args) (any, error) {
	round, err := args.Int("round")
	if err != nil {
		return nil, err
	}
	if err := tx.Set(fmt.Sprintf("member:%d:%s", round, tx.Caller()), args["number"]); err != nil {
		return nil, err
	}
	all := members(tx, round)
	parent, nested := tx.Parent()
	if len(all) < c.Parts || !nested {
		return nil, nil
	}
	var mean float64
	for _, n := range all {
		mean += n / float64(len(all))
	}
	return parent.Call("announce", map[string]any{"round": round, "group": path.Base(tx.Env()), "number": mean})
}

func known(tx environment.Tx, args environment.Args) (any, error) {
	round, err := args.Int("round")
	if err != nil {
		return nil, err
	}
	parent, nested := tx.Parent()
	if !nested {
		return nil, fmt.Errorf("%w: a group is nested in a game", environment.ErrBadRequest)
	}
	all, err := parent.Call("result", map[string]any{"round": round})
	if err != nil {
		return nil, err
	}
	out := map[string]any{"members": members(tx, round)}
	if m, ok := all.(map[string]any); ok {
		maps.Copy(out, m)
	}
	return out, nil
}

// members are the numbers of a round in a group, ascending: in an order that does not depend on who was first.
func members(tx environment.Tx, round int64) []float64 {
	var all []float64
	for _, k := range tx.Keys(fmt.Sprintf("member:%d:", round)) {
		all = append(all, number(tx, k))
	}
	slices.Sort(all)
	return all
}

// number is the value of a key that holds a number.
func number(tx environment.Tx, key string) float64 {
	v, _ := tx.Get(key)
	n, _ := environment.Args{"number": v}.Number("number")
	return n
}
