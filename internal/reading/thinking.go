package reading

import (
	"fmt"
	"strings"
)

// thinkTags are the elements in which models think aloud before they answer.
var thinkTags = []string{"think", "thinking", "thought", "reasoning", "scratchpad"}

// visible returns what follows the last thought of a reply. Chat templates often put the opening tag in the prompt, so
// a closing tag alone ends a thought too. thoughts are the elements of thinking. A thought that never ends means the reply was cut before its answer.
func visible(reply string, thoughts []string) (string, error) {
	if !strings.Contains(reply, "<") {
		return reply, nil
	}
	lower := asciiLower(reply)
	end := 0
	for _, tag := range thoughts {
		closing := "</" + tag + ">"
		if at := strings.LastIndex(lower, closing); at >= 0 {
			end = max(end, at+len(closing))
		}
	}
	for _, tag := range thoughts {
		if strings.Contains(lower[end:], "<"+tag+">") {
			return "", fmt.Errorf("%w: the thinking never ends", ErrTruncated)
		}
	}
	return reply[end:], nil
}

// asciiLower lowers letters without moving any byte, so that positions stay valid in the original.
func asciiLower(s string) string {
	out := []byte(s)
	for i, c := range out {
		if c >= 'A' && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return string(out)
}
