// Package damage is what stands in the place of a stored record that was found damaged on disk.
//
// The embedded server looks through its files before it serves them and puts a note where a record cannot be read any
// more, among the control records of its run where that is known. So whoever reads the run meets the damage in its place,
// and nobody takes a log with a hole for a whole one.
//
// It may import pkg/subjects and the standard library.
package damage
