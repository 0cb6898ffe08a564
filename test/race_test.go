//go:build race

package test

// buildFlags make the program like the tests: its processes are checked for races too.
var buildFlags = []string{"-race"}
