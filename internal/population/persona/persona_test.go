package persona

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// people gives every agent the same categories.
type people []int

func (p people) Category(_, aspect int) int { return p[aspect] }

// background writes about an agent with one category an aspect: aspect, category, aspect, category, …
func background(agent int, pairs ...string) (name, text string) {
	var aspects []Aspect
	for i := 0; i < len(pairs); i += 2 {
		aspects = append(aspects, Aspect{Name: pairs[i], Categories: []string{"another", pairs[i+1]}})
	}
	w := NewWriter(7, aspects, people(slices.Repeat([]int{1}, len(aspects))))
	return string(w.AppendName(nil, agent)), string(w.AppendBackground(nil, agent))
}

func TestAspectsArePutIntoWords(t *testing.T) {
	for _, c := range []struct {
		aspect, category string
		want             string // a regular expression
	}{
		{"age", "34", `\b34(-year-old| years old)`},
		{"age", "30s", `\b3[0-9] years old`},
		{"age_group", "25-34", `\b(2[5-9]|3[0-4]) years old`},
		{"Age", "65 and over", `\b(6[5-9]|[78][0-9]) years old`},
		{"age", "middle-aged", `you are middle-aged`},
		{"nationality", "Italian", `you (come from Italy|are Italian)`},
		{"nationality", "the United States", `you (come from the United States|are American)`},
		{"country", "USA", `you (come from the United States|are American)`},
		{"gender", "female", `a woman\.`},
		{"sex", "M", `a man\.`},
		{"gender", "non-binary", `a non-binary person\.`},
		{"occupation", "Software Engineer", `(You work as|You earn your living as|You are) a software engineer`},
		{"job", "IT manager", `an IT manager`},
		{"job", "German teacher", `a German teacher`},
		{"job", "an actor", `an actor`},
		{"profession", "finance", `You (work|earn your living) in finance`},
		{"occupation", "retired", `You (are retired|have retired)`},
		{"occupation", "unemployed", `You (are out of work|do not have a job)`},
		{"occupation", "student", `You are a student\.`},
		{"education", "high school", `(You finished|Your highest level of education is) high school\.`},
		{"education", "Ph.D.", `a Ph\.D\. [^.]`},
		{"education", "Bachelor", `a bachelor's degree\.`},
		{"degree", "MBA", `(?i)highest level.* is MBA\.`},
		{"education", "none", `You (have no|never had any) formal education\.`},
		{"risk_attitude", "very_bold", `: risk attitude: very bold\.`},
		{"gender", "agender", `: gender: agender\.`},
		{"age", "ancient", `: age: ancient\.`},
		{"nationality", "Atlantean", `: nationality: Atlantean\.`},
		{"occupation", "other", `: occupation: other\.`},
	} {
		want := regexp.MustCompile(c.want)
		for agent := range 50 {
			_, text := background(agent, c.aspect, c.category)
			require.Regexp(t, want, text)
		}
	}
}

func TestPartsFitTogether(t *testing.T) {
	whole := regexp.MustCompile(`a (2[5-9]|3[0-4])-year-old (Italian woman|woman from Italy)\. `)
	for agent := range 100 {
		name, text := background(agent, "age", "25-34", "gender", "woman", "nationality", "Italy", "job", "nurse", "school", "Montessori")
		require.Regexp(t, whole, text)
		require.Contains(t, text, name)
		given, family, _ := strings.Cut(name, " ")
		italian := cultures()[cultureNamed("italian")]
		require.Contains(t, italian.female, given)
		require.True(t, slices.ContainsFunc(italian.family, func(f familyName) bool { return f.female == family }))
		require.Contains(t, text, "school: Montessori")
	}
	_, text := background(1, "age", "8", "gender", "male")
	require.Contains(t, text, "an 8-year-old boy")
	_, text = background(1, "age", "1")
	require.Contains(t, text, "you are 1 year old")
}

func TestNamesFollowTheirCulture(t *testing.T) {
	for agent := range 50 {
		name, _ := background(agent, "nationality", "Chinese", "gender", "male")
		family, given, _ := strings.Cut(name, " ")
		chinese := cultures()[cultureNamed("chinese")]
		require.Contains(t, chinese.male, given)
		require.Contains(t, chinese.family, familyName{family, family})
		name, _ = background(agent, "nationality", "Russian", "gender", "female")
		require.Regexp(t, `(a|Shevchenko)$`, name)
	}
}

// Of two aspects of the same kind one is put into words and the other stated; none is lost.
func TestNoAspectIsLost(t *testing.T) {
	for agent := range 20 {
		_, text := background(agent, "age", "40", "age_group", "forty to fifty", "job", "nurse", "profession", "carer", "x", "y")
		require.Contains(t, text, "40 years old")
		require.Contains(t, text, "nurse")
		require.Contains(t, text, "age group: forty to fifty; profession: carer; x: y.")
	}
}

func TestBackgroundsAreProse(t *testing.T) {
	texts := []string{"age", "30-40", "gender", "female", "nationality", "French", "education", "Ph.D.", "occupation", "nurse", "mood", "calm"}
	rapid.Check(t, func(t *rapid.T) {
		var pairs []string
		for i := 0; i < len(texts); i += 2 {
			if rapid.Bool().Draw(t, texts[i]) {
				pairs = append(pairs, texts[i], texts[i+1])
			}
		}
		name, text := background(rapid.IntRange(0, 1_000_000).Draw(t, "agent"), pairs...)
		require.Regexp(t, `^(You|Your|People) `, text)
		require.Contains(t, text, name)
		require.True(t, strings.HasSuffix(text, "."))
		require.NotContains(t, text, "..")
		require.NotContains(t, text, "  ")
		sentences := strings.Split(text, ". ")
		require.GreaterOrEqual(t, len(sentences), 2, text)
		require.LessOrEqual(t, len(sentences), 4, text)
		for _, sentence := range sentences {
			require.Equal(t, strings.ToUpper(sentence[:1]), sentence[:1], text)
		}
	})
}

// Whatever people call their aspects and categories, each is told, in valid text.
func TestAnyAspect(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		names := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"age", "gender", "job", "country", "education"}))
		var aspects []Aspect
		for range rapid.IntRange(0, 5).Draw(t, "aspects") {
			aspects = append(aspects, Aspect{Name: names.Draw(t, "name"), Categories: rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "categories")})
		}
		drawn := make(people, len(aspects))
		for i, a := range aspects {
			drawn[i] = rapid.IntRange(0, len(a.Categories)-1).Draw(t, "category")
		}
		w := NewWriter(rapid.Uint64().Draw(t, "seed"), aspects, drawn)
		text := string(w.AppendBackground([]byte("before "), rapid.IntRange(0, 1<<30).Draw(t, "agent")))
		require.True(t, utf8.ValidString(text))
		require.True(t, strings.HasPrefix(text, "before You") || strings.HasPrefix(text, "before People"))
		for i, a := range aspects {
			if kindOf(a.Name) == "" {
				require.Contains(t, text, spaced(a.Name)+": "+spaced(a.Categories[drawn[i]]))
			}
		}
	})
}

func TestReadAge(t *testing.T) {
	for category, want := range map[string]age{
		"34": {lo: 34, hi: 34}, "34 years old": {lo: 34, hi: 34}, "aged 18–24": {lo: 18, hi: 24}, "18 to 24 years": {lo: 18, hi: 24},
		"between 30 and 40": {lo: 30, hi: 40}, "65+": {lo: 65, hi: 84}, "90 or older": {lo: 90, hi: 99}, "over 64": {lo: 65, hi: 84},
		"> 64": {lo: 65, hi: 84}, "under 18": {lo: 12, hi: 17}, "18 and under": {lo: 12, hi: 18}, "<2": {lo: 1, hi: 1},
		"in their 30s": {lo: 30, hi: 39}, "Young": {adjective: "young", predicate: "young"}, "120": {lo: 120, hi: 120},
	} {
		got, ok := readAge(category)
		require.True(t, ok, category)
		require.Equal(t, want, got, category)
	}
	for _, category := range []string{"", "generation 3", "40-30", "0", "121", "35s", "1-2-3", "under 1", "99999999999999999999", "-5", "5 apples"} {
		_, ok := readAge(category)
		require.False(t, ok, category)
	}
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.IntRange(1, maxAge).Draw(t, "lo")
		for _, form := range []string{"", "+", " or older", " and under", "<=", "over "} {
			text := strconv.Itoa(lo) + form
			if form == "<=" || form == "over " {
				text = form + strconv.Itoa(lo)
			}
			a, ok := readAge(text)
			require.True(t, ok, text)
			require.LessOrEqual(t, a.lo, a.hi)
			require.Positive(t, a.lo)
		}
	})
}

func TestArticle(t *testing.T) {
	for text, want := range map[string]string{
		"nurse": "a ", "actor": "an ", "engineer": "an ", "university teacher": "a ", "European": "a ", "uninsured driver": "an ",
		"MBA": "an ", "CEO": "a ", "IT manager": "an ", "hour": "an ", "honest man": "an ", "usher": "an ", "": "a ", "Ärztin": "a ",
		"Ukrainian": "a ", "Emirati": "an ", "umbrella maker": "an ", "one-man band": "a ", "onion grower": "an ",
	} {
		require.Equal(t, want, article(text), text)
	}
	for n, want := range map[int]string{1: "a ", 8: "an ", 11: "an ", 18: "an ", 19: "a ", 80: "an ", 89: "an ", 90: "a ", 100: "a "} {
		require.Equal(t, want, numberArticle(n), n)
	}
}

// The lists are read leniently, so that nothing can go wrong at run time; here they must be right.
func TestListsAreWellFormed(t *testing.T) {
	require.Len(t, cultures(), strings.Count(nameLines, "\n")-1)
	used := map[int]bool{}
	for line := range strings.Lines(strings.TrimSpace(countryLines)) {
		part := strings.Split(strings.TrimSpace(line), "|")
		require.Len(t, part, 4, line)
		require.Equal(t, part[0], cultures()[cultureNamed(part[0])].name, line)
		c := readCountry(part[1])
		require.NotNil(t, c, line)
		require.Equal(t, part[1], c.adjective, "two countries share a name")
		require.Same(t, c, readCountry(part[2]))
		for alias := range strings.SplitSeq(part[3], ",") {
			if alias != "" {
				require.Same(t, c, readCountry(strings.ToUpper(alias)), alias)
			}
		}
		used[c.culture] = true
	}
	require.Len(t, used, len(cultures()), "every stock of names is used")
	for _, c := range cultures() {
		for _, names := range [][]string{c.female, c.male} {
			require.GreaterOrEqual(t, len(names), 10, c.name)
			require.Len(t, slices.Compact(slices.Sorted(slices.Values(names))), len(names), c.name)
		}
		require.GreaterOrEqual(t, len(c.family), 10, c.name)
		seen := map[familyName]bool{}
		for _, f := range c.family {
			require.False(t, seen[f], "%s twice", f.male)
			seen[f] = true
		}
	}
	for _, list := range [][]string{hobbies, joys, hobbyFrames, joyFrames, factFrames} {
		require.Len(t, slices.Compact(slices.Sorted(slices.Values(list))), len(list))
	}
}
