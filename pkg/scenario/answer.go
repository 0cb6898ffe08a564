package scenario

import (
	"regexp"
	"strings"
)

// Textual reports whether answers are texts, which have no number: text, json, code and tagged.
func (a AnswerSpec) Textual() bool {
	switch a.Type {
	case TypeText, TypeJSON, TypeCode, TypeTagged:
		return true
	}
	return false
}

var (
	languagePattern = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9+#._-]{0,31}$`)
	tagPattern      = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_-]{0,63}$`)
)

func (r *resolver) language(doc *answerDoc) string {
	if l := doc.Language; l.set() && !languagePattern.MatchString(l.v) {
		r.at(l.at, "%q is not the name of a language as it stands after a fence, such as python", clipped(l.v))
	}
	return doc.Language.v
}

func (r *resolver) tags(doc *answerDoc) []string {
	var out []string
	seen := map[string]bool{}
	for _, t := range doc.Tags.items {
		if !t.set() {
			continue
		}
		folded := strings.ToLower(t.v)
		switch {
		case !tagPattern.MatchString(t.v):
			r.at(t.at, "%q is not a usable tag: letters, digits, _ and -, starting with a letter, without < and >", clipped(t.v))
		case seen[folded]:
			r.at(t.at, "tag %q is here twice", clipped(t.v))
		}
		seen[folded] = true
		out = append(out, t.v)
	}
	return out
}
