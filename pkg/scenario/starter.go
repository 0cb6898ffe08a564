package scenario

import (
	_ "embed" // for the starter file
	"regexp"
	"strings"
)

//go:embed starter.yaml
var starter string

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// Starter is a commented scenario to begin with. name becomes the scenario's name, with characters that a name may not
// have replaced by dashes; "" gives "my-scenario".
func Starter(name string) []byte {
	name = strings.Trim(notInNames.ReplaceAllString(name, "-"), "-._")
	if name == "" {
		name = "my-scenario"
	}
	return []byte(strings.Replace(starter, "name: my-scenario", "name: "+name[:min(len(name), 64)], 1))
}
