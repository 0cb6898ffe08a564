package stats

import "fmt"

// Status says how an answer came to be. Its numeric values are stored in run logs and never change.
type Status uint8

// The statuses of an answer.
const (
	StatusNone Status = iota // no answer yet
	Answered                 // read from the first reply by the rule
	Extracted                // read by an extraction call
	Repaired                 // read after a damaged reply was mended or the agent was asked again
	Refused                  // the agent declined to answer
	Fallback                 // filled in by the scenario's missing rule
	Missing                  // no answer could be had
)

var statusNames = [...]string{"none", "answered", "extracted", "repaired", "refused", "fallback", "missing"}

// String returns the name of the status as it appears in results.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return fmt.Sprintf("status(%d)", uint8(s))
}

// Valid reports whether an answer of this status carries a value that counts in statistics.
func (s Status) Valid() bool { return valid>>s&1 == 1 }

// valid has the bit of every status that carries a value: one look, where four comparisons would follow each other for
// every answer of a column.
const valid uint8 = 1<<Answered | 1<<Extracted | 1<<Repaired | 1<<Fallback

// ParseStatus is the inverse of String. It returns ErrStatus for any other text.
func ParseStatus(text string) (Status, error) {
	for i, name := range statusNames {
		if name == text {
			return Status(i), nil //nolint:gosec // an index into a seven-element array
		}
	}
	return StatusNone, fmt.Errorf("%w: %q", ErrStatus, text)
}
