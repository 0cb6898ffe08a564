// Package monitor serves what probes and Prometheus ask of one process: whether it is alive, whether it can work, and its
// metrics. It tells no secrets and takes no orders, so it may be open to a cluster's network where the operator says so.
//
// It may import the standard library, the Prometheus client and the reader of environment variables.
package monitor
