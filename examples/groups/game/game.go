// Package game is the group game of the groups example. Agents are divided into groups. In each round each reports a number
// to the environment of its group; the mean of a group is the number of the group; the group that is nearest to two thirds of
// the mean of all groups wins. What the members of a group reported is known in the group only, what the groups reported to all.
//
// The environment of a group is nested in that of the game: it sees its own members' numbers, and passes on to the game what
// all may know.
package game

import (
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/environment"
	"github.com/myriad-sim/myriad/pkg/host"
)

// Names of the kinds.
const (
	KindPlayer   = "player"   // agent: plays
	KindReporter = "reporter" // agent: remembers what it is told
	KindGame     = "game"     // environment: around all groups
	KindGroup    = "group"    // environment: of one group
)

// Kinds is what a program needs to serve the game.
func Kinds() host.Kinds {
	return host.Kinds{
		Agents:       agent.NewRegistry().Add(KindPlayer, newPlayer).Add(KindReporter, newReporter),
		Environments: environment.NewRegistry().Add(KindGame, newGame).Add(KindGroup, newGroup),
	}
}

// Ratio is the part of the mean that groups want to be near to.
const Ratio = 2. / 3
