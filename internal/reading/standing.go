package reading

import (
	"slices"
	"strings"
)

var (
	// saying are the words of a clause that states an answer: "so I will go with", "my final answer is". A clause
	// with any other word is not trusted.
	saying = words(`i i'll i'd i'm i've will would am shall my the a final answer number guess choice response decision
		selection pick choose report submit say go going with for to is be select offer bid contribute give enter write
		state choosing reporting guessing picking submitting answering decided chosen settle settled on at integer value
		real play option so thus therefore hence then okay ok well and now finally overall alright here this of in conclusion personally simply just`)
	// aims are what a guess may be about instead of being the answer.
	aims = words(`average mean target winning`)
	// speaker are the words of which a clause needs one, so that it is the agent's own answer.
	speaker = words(`i i'll i'd i'm i've my answer`)
	// introducing are the words a clause may have right before the value.
	introducing = words(`is choose pick say with for report submit select offer bid contribute give enter write state
		number guess answer value integer play reporting choosing guessing picking submitting answering option`)
	// acting are those that may also stand right before a choice that is a verb or an adverb.
	acting = words(`i will i'll i'd would to`)
	// labels are the nouns that may be followed by a colon and the value, besides the question's id.
	labels = words(`final my guess choice decision number response report bid offer pick selection answer`)
	// leading words in a line that ends in a colon promise the agent's answer.
	leading = words(`answer final my response result decision choice guess output json so therefore conclusion thus hence`)
	// misleading words in it promise something else.
	misleading = words(`example format instance e.g like others other they naive template someone player players opponent
		opponents average mean expected expectation everyone most people typical estimate prediction predicted target
		would wrong tempting options range scale`)
	// abroad are complete clauses of other languages; they count only when they and the value are the whole reply.
	abroad = phrases("ich wähle", "ich nehme", "ich sage", "ich nenne", "ich entscheide mich für", "meine antwort ist",
		"meine antwort lautet", "meine zahl ist", "antwort", "je choisis", "ma réponse est", "mon choix est", "réponse",
		"je propose", "elijo", "yo elijo", "escojo", "mi respuesta es", "mi número es", "respuesta", "escolho", "eu escolho",
		"minha resposta é", "resposta", "scelgo", "la mia risposta è", "risposta", "ik kies", "mijn antwoord is", "antwoord",
		"我选择", "我选", "我的答案是", "答案是", "答案", "我的选择是", "私の答えは", "答えは", "я выбираю", "мой ответ", "ответ")
)

func phrases(list ...string) set {
	out := set{}
	for _, p := range list {
		out[p] = true
	}
	return out
}

// stands reports whether an occurrence stands where an answer stands, with nothing around it that says otherwise.
// guessing means that the reply speaks of something that a "guess" may be about.
func (r *Reader) stands(ws []word, o occurrence, guessing bool) bool {
	end, complete := r.after(ws, o.to)
	if !complete {
		return false
	}
	return r.alone(ws, o.from, end) || r.opens(ws, o.from, end) || r.stated(ws, o.from, guessing) || r.foreign(ws, o.from, end)
}

// alone: the value fills a line, and the text before it does not run on into it.
func (r *Reader) alone(ws []word, from, end int) bool {
	if from > 0 && ws[from-1].core == "option" && ws[from-1].first && r.spec.Type == TypeChoice {
		from--
	}
	return ws[from].first && ws[end-1].last && leads(ws, from)
}

// opens: the reply starts with the value and its reason. Another sentence after the value would not do: "1. First …" is
// a list, and "Yes. I understand." answers something else.
func (r *Reader) opens(ws []word, from, end int) bool {
	return from == 0 && end < len(ws) && reasons[ws[end].core]
}

// maxClause and maxSentence bound how far back words are looked at, so that time stays linear. What is longer is not
// trusted.
const (
	maxClause   = 24
	maxSentence = 200
)

// stated: a clause of the agent's own leads to the value: "… , so I choose 33", "My guess: 33".
func (r *Reader) stated(ws []word, at int, guessing bool) bool {
	if at == 0 || ws[at].first {
		return false
	}
	start := at // of the clause
	for start > 0 && ws[start-1].line == ws[at].line && at-start < maxClause {
		w := ws[start-1]
		if w.ends() || w.has(",") || w.has(":") && start != at {
			break
		}
		start--
	}
	clause := ws[start:at]
	if len(clause) == 0 || len(clause) == maxClause || r.doubtful(ws, start) {
		return false
	}
	if start > 0 && ws[start-1].has(":") {
		return false // "My friend said: I choose 33"
	}
	if start > 0 && ws[start-1].line == ws[at].line-1 && !ws[start-1].ends() && !ws[start-1].has(",") {
		return false // the clause began on the line before
	}
	if strings.ContainsAny(ws[start].open, "\"'") {
		return false
	}
	if guessing && slices.ContainsFunc(clause, func(w word) bool { return w.core == "guess" }) {
		return false
	}
	if clause[len(clause)-1].has(":") {
		if len(clause) == 1 && clause[0].core == "number" { // of what?
			return false
		}
		for _, w := range clause {
			if !labels[w.core] && w.core != strings.ToLower(r.spec.ID) {
				return false
			}
		}
		return true
	}
	own := false
	for _, w := range clause {
		if !saying[w.core] {
			return false
		}
		own = own || speaker[w.core]
	}
	final := clause[len(clause)-1].core
	return own && (introducing[final] || r.spec.Type == TypeChoice && acting[final])
}

// doubtful reports whether the sentence before word at makes what follows a condition, a memory, or another's words.
func (r *Reader) doubtful(ws []word, at int) bool {
	for i := at - 1; i >= 0 && !ws[i].ends(); i-- {
		if at-i > maxSentence || doubts[ws[i].core] || strings.Contains(ws[i].open, `"`) {
			return true
		}
	}
	return false
}

// foreign: the whole reply is one short clause of another language and the value.
func (r *Reader) foreign(ws []word, from, end int) bool {
	if end != len(ws) || from == 0 || from > 4 {
		return false
	}
	var b strings.Builder
	for i, w := range ws[:from] {
		if w.core == "" && w.has(":") && i == from-1 { // "Réponse : 33"
			continue
		}
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.core)
		if w.trail != "" && (i != from-1 || w.trail != ":") {
			return false
		}
	}
	return abroad[b.String()]
}

// leads reports whether the text before word at, which starts a line, lets an answer follow: it is the start, a finished
// sentence, or a line that announces the answer.
func leads(ws []word, at int) bool {
	if at == 0 {
		return true
	}
	last := ws[at-1]
	if last.ends() || last.core == string(place) {
		return true
	}
	promised := false
	for i := at - 1; i >= 0 && ws[i].line == last.line; i-- {
		if i < at-1 && ws[i].ends() {
			break
		}
		if at-i > maxSentence || misleading[ws[i].core] || doubts[ws[i].core] {
			return false
		}
		promised = promised || leading[ws[i].core]
	}
	return promised
}
