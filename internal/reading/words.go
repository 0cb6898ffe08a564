package reading

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// word is one blank-separated piece of a normalised text.
type word struct {
	core        string // without decoration, lower case
	raw         string // core as written
	open, trail string // the decoration before and after it
	line        int    // line number in the text
	first, last bool   // on its line
	bullet      bool   // a dash stands before it at the start of the line
}

const (
	openers = "([{\"'"
	closers = ")]}\"'.,;:!?"
)

// split cuts text into words. Marks of lists, headings and quotes at the start of a line are not words.
func split(text string) []word {
	out := make([]word, 0, 1+len(text)/5) // about one word of prose
	line, fresh, bullet := 0, true, false
	for i := 0; i < len(text); {
		if isSpace(text[i]) {
			if text[i] == '\n' {
				line, fresh, bullet = line+1, true, false
				if len(out) > 0 {
					out[len(out)-1].last = true
				}
			}
			i++
			continue
		}
		end := i
		for end < len(text) && !isSpace(text[end]) {
			end++
		}
		if piece := text[i:end]; !fresh || !lineMark(piece) {
			w := newWord(piece)
			w.line, w.first, w.bullet = line, fresh, bullet
			out = append(out, w)
			fresh, bullet = false, false
		} else if piece == "-" {
			bullet = true
		}
		i = end
	}
	if len(out) > 0 {
		out[len(out)-1].last = true
	}
	return out
}

func lineMark(piece string) bool {
	return piece == "-" || piece == "*" || piece == "•" || strings.Trim(piece, "#") == "" || strings.Trim(piece, ">") == ""
}

func newWord(piece string) word {
	core := strings.TrimLeft(piece, openers)
	open := piece[:len(piece)-len(core)]
	trimmed := strings.TrimRight(core, closers)
	trail := core[len(trimmed):]
	if n := len(trimmed); n > 2 && trimmed[0] == '$' && trimmed[n-1] == '$' { // a LaTeX formula, not money
		trimmed = trimmed[1 : n-1]
	}
	return word{core: strings.ToLower(trimmed), raw: trimmed, open: open, trail: trail}
}

// ends reports whether a sentence ends after the word.
func (w word) ends() bool { return strings.ContainsAny(w.trail, ".!?;") }

func (w word) has(mark string) bool { return strings.Contains(w.trail, mark) }

// numeric reports whether the word holds a digit or another sign for a number, such as a fraction or a power.
func (w word) numeric() bool {
	for _, c := range w.core {
		if c >= '0' && c <= '9' || c > unicode.MaxASCII && unicode.IsNumber(c) {
			return true
		}
	}
	return false
}

func (w word) ascii() bool {
	for i := range len(w.core) {
		if w.core[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// set is a list of words to look up.
type set map[string]bool

func words(list string) set {
	out := set{}
	for w := range strings.FieldsSeq(list) {
		out[w] = true
	}
	return out
}

var (
	// named are numbers in words. "One" is left out: it is mostly a pronoun.
	named = words(`zero two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
		seventeen eighteen nineteen twenty thirty forty fifty sixty seventy eighty ninety hundred thousand million
		billion dozen half third thirds quarter quarters double twice triple percent`)
	// turns are words after or around which a value may no longer be the answer.
	turns = words(`but however although though instead actually wait rather correction scratch oops sorry mistake wrong
		naive lower higher below above smaller larger bigger greater fewer minus reduce reduced reducing adjust adjusted
		adjusting revise revised change changed changing reconsider reconsidering otherwise unless or either maybe
		perhaps probably hmm kidding joking joke ignore disregard forget
		cancel retract withdraw invalid void if depends depending except alternatively might hypothetically example nein doch aber lieber sondern non mais
		plutôt pero sino però anzi mas maar но`)
	// doubts make the sentence they stand in a condition, a memory, or somebody else's.
	doubts = words(`if unless were was had last previous previously earlier before initially originally first tempted
		suppose supposing pretend said says say told tells think thinks claim claims believe believes argue imagine hypothetically naive never not example instance cannot
		can't don't won't wouldn't shouldn't couldn't could should`)
	// deciding words in an explanation after the answer mean that it may decide again.
	deciding = words(`i i'll i'd i'm i've my me final answer choose choice guess pick submit decide decision settle
		select go`)
	// denying and claiming words in one sentence say that something is not the answer.
	denying  = words(`not never don't isn't wasn't won't cannot can't`)
	claiming = words(`answer choice choose guess pick number mine final`)
	// reasons are the words that may directly follow a value within its sentence.
	reasons = words(`because since given`)
	// explains are the words an explanation after the answer starts with.
	explains = words(`because since given explanation reason reasoning rationale justification confidence why this`)
	// units name the unit of a game's payoff without changing the number before it. Money is not among them: a question
	// may be in cents and the reply in dollars.
	units = words(`points point tokens token coins coin units unit credits credit`)
)

// turning reports whether the words take back what was said. yesNo is set when "no" may be the answer itself.
func turning(ws []word, yesNo bool) bool {
	denies, claims := false, false // in this sentence
	for i, w := range ws {
		if w.first || i > 0 && ws[i-1].ends() {
			denies, claims = false, false
		}
		denies, claims = denies || denying[w.core], claims || claiming[w.core]
		if denies && claims {
			return true
		}
		if turns[w.core] || w.core == "~~" || !yesNo && w.core == "no" && w.trail != "" {
			return true
		}
		if !w.ascii() && strings.ContainsAny(w.core, "不但而没別别") {
			return true
		}
	}
	return false
}

// spelled reports whether the word is, or is built from, a number in words: "twenty", "thirty-three", 二十.
func (w word) spelled() bool {
	if !w.ascii() && strings.ContainsAny(w.core, "二三四五六七八九十百千万萬") {
		return true
	}
	for part := range strings.SplitSeq(w.core, "-") {
		if named[part] {
			return true
		}
	}
	return false
}
