// Package lifecycle starts, watches and stops a set of services in the order
// their dependencies need: a service is added after what it depends on, starts
// after it and stops before it.
//
// It may import the standard library only.
package lifecycle
