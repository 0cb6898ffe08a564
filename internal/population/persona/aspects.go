package persona

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// age is an age category: a range of years, or a word.
type age struct {
	lo, hi    int    // years, hi inclusive; 0, 0 where there is only a word
	adjective string // "young"; before a noun
	predicate string // "a teenager"; after "you are"
}

const (
	adulthood = 18
	maxAge    = 120
	// span is how many years an age category without an upper end is taken to cover.
	span = 20
)

var digits = regexp.MustCompile(`[0-9]+`)

// ageNoise is what people write around the numbers without changing their meaning.
var ageNoise = strings.NewReplacer("years of age", "", "years old", "", "year-old", "", "years", "", "year", "", "yrs", "",
	"aged", "", "ages", "", "age", "", "between", "", "from", "", "in their", "", "in the", "", "in your", "", ".", "", "(", "", ")", "", "'", "")

// readAge understands 34, 18-24, 65+, 65 and over, under 18, 30s and a few words.
func readAge(category string) (age, bool) {
	text := strings.ToLower(spaced(category))
	if a, ok := ageWords[text]; ok {
		return a, true
	}
	numbers := digits.FindAllString(text, 3)
	var n [2]int
	if len(numbers) == 0 || len(numbers) > 2 {
		return age{}, false
	}
	for i, s := range numbers {
		v, err := strconv.Atoi(s)
		if err != nil || v < 1 || v > maxAge {
			return age{}, false
		}
		n[i] = v
	}
	around := strings.TrimSpace(ageNoise.Replace(digits.ReplaceAllString(text, " ")))
	if len(numbers) == 2 {
		switch around {
		case "-", "–", "—", "to", "and", "through", "until":
			return age{lo: n[0], hi: n[1]}, n[0] <= n[1]
		}
		return age{}, false
	}
	v := n[0]
	switch strings.Join(strings.Fields(around), " ") {
	case "":
		return age{lo: v, hi: v}, true
	case "s":
		return age{lo: v, hi: v + 9}, v%10 == 0
	case "+", "and over", "or over", "and older", "or older", "and above", "or above", "or more", "and more", "plus", ">=", "≥", "at least":
		return age{lo: v, hi: openEnd(v)}, true
	case "over", "older than", "above", "more than", ">":
		return age{lo: v + 1, hi: openEnd(v + 1)}, true
	case "and under", "or under", "or younger", "and younger", "or less", "or below", "and below", "up to", "at most", "<=", "≤":
		return age{lo: openStart(v), hi: v}, true
	case "under", "younger than", "below", "less than", "<":
		return age{lo: openStart(v - 1), hi: v - 1}, v > 1
	}
	return age{}, false
}

func openEnd(lo int) int   { return max(lo, min(lo+span-1, 99)) }
func openStart(hi int) int { return max(1, hi-hi/3) }

var ageWords = map[string]age{
	"teenager":    {adjective: "teenage", predicate: "a teenager"},
	"teen":        {adjective: "teenage", predicate: "a teenager"},
	"young":       {adjective: "young", predicate: "young"},
	"young adult": {adjective: "young adult", predicate: "a young adult"},
	"adult":       {adjective: "adult", predicate: "an adult"},
	"middle-aged": {adjective: "middle-aged", predicate: "middle-aged"},
	"middle aged": {adjective: "middle-aged", predicate: "middle-aged"},
	"old":         {adjective: "old", predicate: "old"},
	"older":       {adjective: "older", predicate: "of an older age"},
	"older adult": {adjective: "older", predicate: "an older adult"},
	"elderly":     {adjective: "elderly", predicate: "elderly"},
	"senior":      {adjective: "elderly", predicate: "a senior"},
}

// gender is a gender category: what such a person is called, and which given names fit.
type gender struct {
	adult, minor string
	names        int // namesFemale, namesMale or namesAny
}

// Which given names of a culture fit.
const (
	namesAny = iota
	namesFemale
	namesMale
)

// readGender has an empty adult for what it does not understand.
func readGender(category string) gender {
	switch strings.ToLower(spaced(category)) {
	case "female", "woman", "women", "f", "girl":
		return gender{"woman", "girl", namesFemale}
	case "male", "man", "men", "m", "boy":
		return gender{"man", "boy", namesMale}
	case "non-binary", "nonbinary", "non binary", "diverse", "enby":
		return gender{"non-binary person", "non-binary person", namesAny}
	}
	return gender{}
}

// readWork gives the clauses that fit an occupation, none if it says nothing.
func readWork(category string) []string {
	text := lowerWords(spaced(category))
	switch lower := strings.ToLower(text); lower {
	case "none", "no occupation", "no job", "unemployed", "jobless", "not employed", "out of work":
		return []string{"you are out of work at the moment", "you do not have a job at the moment"}
	case "retired", "retiree", "pensioner":
		return []string{"you are retired", "you have retired from work"}
	case "self-employed", "employed", "freelance", "semi-retired":
		return []string{"you are " + lower}
	case "student", "pupil", "apprentice", "trainee", "housewife", "homemaker", "house husband", "stay-at-home parent":
		return []string{"you are " + article(lower) + lower}
	case "", "other", "unknown", "n/a":
		return nil
	}
	if field(text) {
		return []string{"you work in " + text, "you earn your living in " + text}
	}
	text = strings.TrimPrefix(strings.TrimPrefix(text, "a "), "an ")
	return []string{"you work as " + article(text) + text, "you earn your living as " + article(text) + text,
		"you are " + article(text) + text + " by profession"}
}

// field tells a line of work from the name of a worker.
func field(text string) bool {
	words := strings.Fields(strings.ToLower(text))
	if len(words) == 0 {
		return false
	}
	switch last := words[len(words)-1]; last {
	case "agriculture", "construction", "education", "finance", "healthcare", "health", "hospitality", "industry", "it",
		"law", "logistics", "media", "medicine", "research", "retail", "sales", "science", "sector", "services", "technology",
		"tourism", "trade", "transport", "transportation", "government", "administration", "business", "care", "crafts", "arts":
		return true
	default:
		return len(last) > 5 && strings.HasSuffix(last, "ing")
	}
}

// readSchool gives the clauses that fit a level of education, none if it says nothing.
func readSchool(category string) []string {
	text := spaced(category)
	highest := "your highest level of education is "
	switch lower := strings.ToLower(strings.ReplaceAll(text, ".", "")); lower {
	case "", "other", "unknown", "n/a":
		return nil
	case "none", "no schooling", "no formal education", "no education":
		return []string{"you have no formal education", "you never had any formal education"}
	case "primary", "primary school", "elementary school", "primary education":
		return []string{"you went to primary school", highest + "primary school"}
	case "middle school", "secondary school", "high school", "grammar school", "vocational school", "trade school":
		return []string{"you finished " + lower, highest + lower}
	case "secondary", "secondary education":
		return []string{"you finished secondary school", highest + "secondary school"}
	case "high school diploma":
		return []string{"you have a high school diploma", highest + "a high school diploma"}
	case "some college", "some university":
		return []string{"you have been to " + lower[len("some "):] + " without taking a degree", highest + lower}
	case "college", "university":
		return []string{"you have been through " + lower, highest + lower}
	case "college degree", "university degree", "associate degree", "doctoral degree":
		return []string{"you have " + article(lower) + lower, highest + article(lower) + lower}
	case "bachelor", "bachelors", "bachelor's", "bachelor degree", "bachelors degree", "bachelor's degree":
		return []string{"you have a bachelor's degree", "you hold a bachelor's degree", highest + "a bachelor's degree"}
	case "master", "masters", "master's", "master degree", "masters degree", "master's degree":
		return []string{"you have a master's degree", "you hold a master's degree", highest + "a master's degree"}
	case "phd", "doctorate", "doctor", "phd degree":
		name := "Ph.D."
		if lower == "doctorate" || lower == "doctor" {
			name = "doctorate"
		}
		return []string{"you have a " + name, "you hold a " + name, highest + "a " + name}
	}
	return []string{highest + text, "as for education, your highest level is " + text}
}

// lowerWords writes words without capitals, but keeps those with capitals inside, such as CEO, and nationalities.
func lowerWords(s string) string {
	words := strings.Fields(s)
	for i, w := range words {
		_, first := utf8.DecodeRuneInString(w)
		if !strings.ContainsFunc(w[first:], unicode.IsUpper) && readCountry(w) == nil {
			words[i] = strings.ToLower(w)
		}
	}
	return strings.Join(words, " ")
}

// article is "a " or "an ", whichever goes before the text.
func article(text string) string {
	word, _, _ := strings.Cut(text, " ")
	lower := strings.ToLower(word)
	for _, odd := range []string{"uni", "use", "usu", "eu", "one", "once", "uk"} {
		if strings.HasPrefix(lower, odd) && !strings.HasPrefix(lower, "unin") && !strings.HasPrefix(lower, "unim") {
			return "a "
		}
	}
	for _, silent := range []string{"hour", "honest", "honor", "honour", "heir"} {
		if strings.HasPrefix(lower, silent) {
			return "an "
		}
	}
	spelled := len(word) > 1 && word == strings.ToUpper(word) && strings.ContainsRune("FHLMNRSX", rune(word[0]))
	if spelled || lower != "" && strings.ContainsRune("aeiou", rune(lower[0])) {
		return "an "
	}
	return "a "
}

// numberArticle is the article before a number of years.
func numberArticle(n int) string {
	if n == 8 || n == 11 || n == 18 || n >= 80 && n <= 89 {
		return "an "
	}
	return "a "
}
