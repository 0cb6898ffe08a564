// Command host serves the workers of the workflow example, on a stack such as that of `myriad up`:
//
//	go run ./examples/workflow/host --id h1
package main

import (
	"os"

	"github.com/myriad-sim/myriad/examples/workflow/workers"
	"github.com/myriad-sim/myriad/pkg/host"
)

func main() { os.Exit(host.Main(workers.Kinds())) }
