// Package environment is the service that owns the world of a run: when a round is closed it folds the accepted answers
// with the scenario's update expressions into the next state, appends that state to the run log, and puts it into the
// bucket of environments for readers.
//
// It may import pkg/* and internal/runlog, internal/stats, internal/expression; never another service.
package environment
