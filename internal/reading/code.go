package reading

import (
	"fmt"
	"slices"
	"strings"
)

// spellings are the names after a fence that mean the same language.
var spellings = map[string]string{
	"py": "python", "python3": "python", "js": "javascript", "ts": "typescript", "golang": "go", "c++": "cpp", "cs": "csharp", "c#": "csharp",
	"sh": "shell", "bash": "shell", "zsh": "shell", "rb": "ruby", "rs": "rust", "yml": "yaml", "md": "markdown",
}

// canonicalLanguage is one spelling of what stands after a fence: its first word, as in ```Python title="x".
func canonicalLanguage(info string) string {
	first, _, _ := strings.Cut(strings.TrimSpace(info), " ")
	name := strings.ToLower(strings.Trim(first, "{}."))
	if same, ok := spellings[name]; ok {
		return same
	}
	return name
}

// fence is a fenced code block.
type fence struct {
	language string // canonical, "" when the block names none
	code     string // without the line break before the closing fence
}

// code reads the one fenced block of a reply, of the declared language if there is one. Blocks that name other languages,
// such as the command that runs the program, may stand beside it. One that names none may not: where code holds a fence of
// its own, what follows that fence looks like such a block.
func (r *Reader) code(body string) (Reading, error) {
	blocks, err := fences(body)
	if err != nil {
		return Reading{}, err
	}
	if len(blocks) == 0 {
		if normal, err := normalise(body); err == nil && refuses(normal) {
			return Reading{}, ErrRefusal
		}
		return Reading{}, fmt.Errorf("%w: there is no fenced code block", ErrNoValue)
	}
	if want := canonicalLanguage(r.spec.Language); want != "" {
		blocks = slices.DeleteFunc(blocks, func(f fence) bool { return f.language != want && f.language != "" })
		if !slices.ContainsFunc(blocks, func(f fence) bool { return f.language == want }) {
			return Reading{}, fmt.Errorf("%w: no code block names the language %s", ErrNoValue, r.spec.Language)
		}
	}
	if len(blocks) > 1 {
		return Reading{}, fmt.Errorf("%w: %d code blocks", ErrManyValues, len(blocks))
	}
	if strings.TrimSpace(blocks[0].code) == "" {
		return Reading{}, fmt.Errorf("%w: the code block is empty", ErrNoValue)
	}
	return Reading{Text: blocks[0].code}, nil
}

// codeAlone reads an extraction, which is one block and nothing else.
func (r *Reader) codeAlone(body string) (Reading, error) {
	first, _, _ := strings.Cut(body, "\n")
	last := strings.TrimSpace(body[strings.LastIndexByte(body, '\n')+1:])
	opening, _ := fenceMark(first)
	closing, info := fenceMark(last)
	blocks, err := fences(body)
	switch {
	case err != nil:
		return Reading{}, err
	case len(blocks) != 1 || opening == "" || closing == "" || info != "":
		return Reading{}, fmt.Errorf("%w: this is not a code block alone", ErrNoValue)
	}
	return r.code(body)
}

// fences finds the fenced blocks of a text, by the rules of CommonMark but that a fence may be indented by any white space,
// as it is in a list. A block that is not closed is cut.
func fences(text string) ([]fence, error) {
	var out []fence
	var lines []string
	mark, indent := "", 0 // of the open fence
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSuffix(line, "\r")
		bare := strings.TrimLeft(line, " \t")
		run, info := fenceMark(bare)
		switch {
		case mark == "" && run != "":
			mark, indent = run, len(line)-len(bare)
			out, lines = append(out, fence{language: canonicalLanguage(info)}), lines[:0]
		case mark == "":
		case strings.HasPrefix(run, mark) && strings.TrimSpace(info) == "":
			mark, out[len(out)-1].code = "", strings.Join(lines, "\n")
		default:
			lines = append(lines, line[min(indent, len(line)-len(bare)):])
		}
	}
	if mark != "" {
		return nil, fmt.Errorf("%w: a code block is not closed", ErrTruncated)
	}
	return out, nil
}

// fenceMark splits a line that starts with three or more backticks or tildes; run is "" for any other. Backticks with more of
// them behind are code inside a sentence.
func fenceMark(line string) (run, info string) {
	if line == "" || line[0] != '`' && line[0] != '~' {
		return "", ""
	}
	info = strings.TrimLeft(line, line[:1])
	run = line[:len(line)-len(info)]
	if len(run) < 3 || run[0] == '`' && strings.Contains(info, "`") {
		return "", ""
	}
	return run, info
}
