package game

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/msg"
)

// Player is the configuration of a player.
type Player struct {
	Group string `json:"group"` // environment of its group
	Level int    `json:"level"` // of its reasoning in the first round: level 0 says 50, each further one two thirds of that
}

type player struct {
	Player
	self  *agent.Self
	group *environment.Env
}

func newPlayer(_ context.Context, self *agent.Self, config []byte) (agent.Agent, error) {
	p := &player{self: self}
	if err := json.Unmarshal(config, &p.Player); err != nil {
		return nil, fmt.Errorf("player: %w", err)
	}
	p.group = environment.NewClient(self.Client.Conn(), self.Run).As(self.Address).Env(p.Group)
	return p, nil
}

// Reply takes the number of a round, and reports a number to the group.
func (p *player) Reply(ctx context.Context, in ...msg.Msg) (msg.Msg, error) {
	if len(in) != 1 {
		return msg.Msg{}, fmt.Errorf("want the number of a round, got %d messages", len(in))
	}
	round, err := strconv.Atoi(in[0].Content.String())
	if err != nil {
		return msg.Msg{}, fmt.Errorf("want the number of a round: %w", err)
	}
	number := 50 * math.Pow(Ratio, float64(p.Level))
	if round > 1 {
		if number, err = p.next(ctx, round-1); err != nil {
			return msg.Msg{}, err
		}
	}
	number = math.Round(number*100) / 100
	if _, err := p.group.Call(ctx, "report", map[string]any{"round": round, "number": number}); err != nil {
		return msg.Msg{}, err
	}
	return msg.New(p.self.Name, msg.RoleAssistant, msg.Text(strconv.FormatFloat(number, 'f', 2, 64))), nil
}

// next goes from what the group knows: half way from the median of its members to the target, and then on by as much as the
// target has to fall.
func (p *player) next(ctx context.Context, last int) (float64, error) {
	out, err := p.group.Call(ctx, "known", map[string]any{"round": last})
	if err != nil {
		return 0, err
	}
	var known Known
	if err := out.Decode(&known); err != nil {
		return 0, err
	}
	median := known.Members[len(known.Members)/2]
	return Ratio * (median + known.Target) / 2, nil
}

// Observe takes no notice.
func (p *player) Observe(context.Context, ...msg.Msg) error { return nil }

// reporter remembers what it is told.
type reporter struct{ self *agent.Self }

func newReporter(_ context.Context, self *agent.Self, _ []byte) (agent.Agent, error) {
	return reporter{self}, nil
}

// Observe remembers.
func (r reporter) Observe(_ context.Context, in ...msg.Msg) error {
	r.self.Memory.Append(in...)
	return nil
}

// Reply tells all it was told, a line each.
func (r reporter) Reply(context.Context, ...msg.Msg) (msg.Msg, error) {
	var text strings.Builder
	for _, m := range r.self.Memory.Messages() {
		fmt.Fprintln(&text, m.Content)
	}
	return msg.New(r.self.Name, msg.RoleAssistant, msg.Text(text.String())), nil
}
