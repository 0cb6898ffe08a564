// Package check holds the tests of the files in deployments/: that Compose and Kubernetes can read them, that they name
// variables, ports, files and metrics that exist, and that nothing in them runs with more rights than it needs. It is a module
// of its own, so that the readers of those formats are no dependencies of Myriad. It asks the built program, and imports
// nothing of Myriad.
package check
