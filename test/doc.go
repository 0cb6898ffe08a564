// Package test holds the tests of the whole system: the program as people run it, and the stack of five services with a
// real NATS server, model servers that misbehave, signals, restarts and several processes.
//
// The tests may import anything. Those that need a process build the program once and run it; the others start the stack
// inside the test.
package test
