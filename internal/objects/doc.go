// Package objects keeps object stores tidy.
//
// An object is written part by part and counts once its last message, which names it, is there. A writer that is killed before
// leaves parts that nobody reads and nothing removes; [Sweep] does.
//
// It may import the NATS client.
package objects
