package subjects

// The patterns of this file are for permissions: they match what many builders build.

// AnyRun is a pattern of subjects of all runs. Tokens are what stands after the run, with wildcards.
func AnyRun(tokens string) string { return runPrefix + "*." + tokens }

// OfRun is a pattern of subjects of one run. Tokens are what stands after the run, with wildcards.
func OfRun(run, tokens string) string { return ofRun(run) + tokens }

// ServiceAll matches the requests to all endpoints of a service. Name is one of the Service constants.
func ServiceAll(name string) string { return "myriad.svc." + Encode(name) + ".>" }

// AliveAll matches the signs of life of everybody who promises messages.
func AliveAll() string { return alivePrefix + "*" }

// Everything matches all subjects of Myriad but those of the broker itself.
const Everything = "myriad.>"
