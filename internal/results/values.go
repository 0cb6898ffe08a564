package results

import (
	"fmt"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/reading"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

// values gives the values of the answers to one question. The log holds numbers and choices as they were read; all others
// are read again from the reply that is in the log, by the same rule.
type values struct {
	spec   scenario.AnswerSpec
	reader *reading.Reader // of texts, JSON, code and tagged replies, else nil
}

func newValues(q scenario.Question) (values, error) {
	v := values{spec: q.Answer}
	switch q.Answer.Type {
	case scenario.TypeNumber, scenario.TypeLikert, scenario.TypeChoice:
		return v, nil
	}
	spec := reading.Spec{ID: q.ID, Type: q.Answer.Type, Language: q.Answer.Language, Tags: q.Answer.Tags}
	var err error
	if q.Answer.Schema != nil {
		if spec.Schema, err = reading.CompileSchema(q.Answer.Schema); err != nil {
			return v, fmt.Errorf("results: turn %s: answer.schema: %w", q.ID, err)
		}
	}
	if v.reader, err = reading.New(spec); err != nil {
		return v, fmt.Errorf("results: turn %s: %w", q.ID, err)
	}
	return v, nil
}

func (v values) of(a *runlog.Answers, at int) report.Value {
	if !a.Status[at].Valid() {
		return report.Value{}
	}
	switch v.spec.Type {
	case scenario.TypeNumber:
		return report.Number(a.Values[at], v.spec.Decimals)
	case scenario.TypeLikert:
		return report.Number(a.Values[at], 0)
	case scenario.TypeChoice:
		return report.Text(v.spec.Choices[a.Values[at]]) // the fold takes no other
	}
	extraction := ""
	for _, t := range a.Attempts[at] {
		extraction = ""
		if t.Kind == llm.PurposeExtract {
			extraction = t.Text
		}
	}
	if text, ok := v.reader.Answer(a.Text[at], extraction); ok {
		return report.Text(text)
	}
	return report.Text(a.Text[at])
}
