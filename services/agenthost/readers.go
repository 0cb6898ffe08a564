package agenthost

import (
	"fmt"

	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// newReader builds the reader of replies to a question; NaN is no bound.
func newReader(q scenario.Question, lo, hi float64) (*reading.Reader, error) {
	a := q.Answer
	spec := reading.Spec{
		ID: q.ID, Type: a.Type, Min: lo, Max: hi, Decimals: a.Decimals, Points: a.Points, Choices: a.Choices, OutOfRange: a.OutOfRange,
		Tags: a.Tags, Language: a.Language,
	}
	if a.Schema != nil {
		var err error
		if spec.Schema, err = reading.CompileSchema(a.Schema); err != nil {
			return nil, fmt.Errorf("turn %s: answer.schema: %w", q.ID, err)
		}
	}
	r, err := reading.New(spec)
	if err != nil {
		return nil, fmt.Errorf("turn %s: %w", q.ID, err)
	}
	return r, nil
}
