package reading

// Answer gives back the text of an answer that was read before: from the reply by the rule or, where extraction is not
// empty, from the completion that extracted it. It is the Text of that Reading, and false if the reply no longer reads.
func (r *Reader) Answer(reply, extraction string) (string, bool) {
	got, err := r.Rule(reply)
	if extraction != "" {
		got, err = r.Extraction(extraction)
	}
	return got.Text, err == nil
}
