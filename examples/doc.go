// Package examples holds the scenarios of this directory that programs play: those that the benchmark runs. It imports
// nothing but the standard library.
package examples

import _ "embed" // for the scenario

// Million is the scenario million.yaml.
//
//go:embed million.yaml
var Million []byte
