package reading

import (
	"regexp"
	"strings"
)

// refusal is a first-person sentence that says no value will be given: who, that it will not, what, and for or about
// nothing in particular. "I cannot choose a number that is too high" goes on where a refusal stops, and is not one.
var refusal = regexp.MustCompile(`\bi(?:'m| am)? (?:(?:really|simply|just|respectfully|must|have to|therefore|'d) )*` +
	`(?:cannot|can't|can not|couldn't|could not|won't|will not|not able to|unable to|not comfortable|not willing to|refuse to|decline to|rather not|prefer not to) ?` +
	`(?:answer|answering|participate|participating|take part|taking part|play|respond|comply|help|assist|engage|provide|providing|give|choose|pick|share|make|report|say)` +
	`(?: (?:in|with|to|you|on|about|a|an|any|the|this|that|such|it|these|your|my|number|answer|choice|response|request|question|game|guess|value|personal|opinion|opinions|preference|single|specific))*` +
	` ?(?:[.!;,\n]|$|for |because |as |since |due )`)

// maxRefusal is the longest text, in bytes, taken for a refusal: who refuses does not write pages.
const maxRefusal = 2 << 10

// refusals in a sentence of their own, and the most usual ones of other languages.
var (
	flat = regexp.MustCompile(`(?:^|[.!\n] ?)(?:no comment|i refuse|i decline|i must decline|i respectfully decline|i won't answer|i abstain)(?:[.!\n]|$)`)
	far  = []string{"ich kann diese frage nicht beantworten", "ich kann das nicht beantworten", "ich möchte nicht antworten",
		"je ne peux pas répondre", "je refuse de répondre", "no puedo responder", "me niego a responder", "non posso rispondere",
		"não posso responder", "我无法回答", "我不能回答", "我拒绝回答", "お答えできません", "回答できません"}
	spaces = regexp.MustCompile(`[ \t]+`)
	relent = words("but however although though instead still anyway if unless until suppose hypothetically")
)

// refuses reports whether a text without any value refuses to give one. It is conservative: what it does not know goes
// to a model, which can tell a refusal from hesitation. A refusal that is taken back is none.
func refuses(normal string) bool {
	if len(normal) > maxRefusal {
		return false
	}
	text := spaces.ReplaceAllString(strings.ToLower(normal), " ")
	end := -1
	if at := refusal.FindStringIndex(text); at != nil {
		end = at[1]
	} else if at := flat.FindStringIndex(text); at != nil {
		end = at[1]
	} else {
		for _, phrase := range far {
			if i := strings.Index(text, phrase); i >= 0 {
				end = i + len(phrase)
			}
		}
	}
	if end < 0 {
		return false
	}
	for _, w := range split(text[end:]) {
		if relent[w.core] {
			return false
		}
	}
	return true
}
