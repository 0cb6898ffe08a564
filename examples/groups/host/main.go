// Command host serves the agents and environments of the groups example, on a stack such as that of `myriad up`:
//
//	go run ./examples/groups/host --id h1
package main

import (
	"os"

	"github.com/myriad-sim/myriad/examples/groups/game"
	"github.com/myriad-sim/myriad/pkg/host"
)

func main() { os.Exit(host.Main(game.Kinds())) }
