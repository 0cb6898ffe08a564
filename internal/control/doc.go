// Package control is how anyone asks a coordinator over NATS to create, pause, resume or cancel a run, and what it
// answers: JSON on the coordinator's micro endpoints. The command line uses it; the coordinator serves it.
//
// It may import pkg/subjects, pkg/scenario and the NATS client.
package control
