// Package environment is the service that owns what agents share. It has three rooms.
//
// Here it owns the world of a scenario's run: when a round is closed it folds the accepted answers with the scenario's update
// expressions into the next state, appends that state to the run log, and puts it into the bucket of environments for
// readers. Its package engine serves the environments of the programming model, and its package hubs the hubs.
//
// It may import pkg/*, its own packages engine and hubs, and internal/runlog, internal/stats, internal/expression; never
// another service.
package environment
