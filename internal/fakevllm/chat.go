package fakevllm

import (
	"bytes"
	"math"
	"net/http"
	"unicode/utf8"
)

// answer is one choice: its text is a range of the job's text.
type answer struct {
	from, to int
	tokens   int
	cut      bool   // max_tokens was met
	stop     string // the stop string that ended it, or ""
}

func (j *job) chatOne(w http.ResponseWriter, r *http.Request) error { return j.chat(w, r, false) }

func (j *job) chatBatch(w http.ResponseWriter, r *http.Request) error {
	j.s.tally.batches.Add(1)
	return j.chat(w, r, true)
}

// chat answers one conversation or a batch.
func (j *job) chat(w http.ResponseWriter, r *http.Request, batch bool) error {
	if err := j.req.decode(j.body, batch); err != nil {
		return err
	}
	if j.req.model != "" && j.req.model != j.s.opts.Model {
		return noModel(j.req.model)
	}
	n := len(j.req.conversations)
	j.s.tally.enter(n)
	defer j.s.tally.leave(n)
	if done, err := j.failEarly(w, r); done {
		return err
	}
	if err := j.prepare(); err != nil {
		return err
	}
	j.s.tally.remember(&j.req)
	if j.req.stream {
		return j.stream(w, r)
	}
	g := newGroup(j.seqs, false)
	j.s.engine.submit(g)
	if err := j.wait(r, g); err != nil {
		return err
	}
	j.count()
	j.respond()
	return j.send(w, r, j.out)
}

// wait waits for a group to end, or for nobody to want it any more.
func (j *job) wait(r *http.Request, g *group) error {
	select {
	case <-g.done:
		return nil
	case <-r.Context().Done():
	case <-j.s.closed:
	}
	j.s.engine.abort(g)
	return errGone
}

// prepare finds the answers and what they cost.
func (j *job) prepare() error {
	r := &j.req
	form, err := readShape(r.format, r.structured)
	if err != nil {
		return err
	}
	j.blocks, j.seqs, j.answers, j.text = j.blocks[:0], j.seqs[:0], j.answers[:0], j.text[:0]
	style := hashText(j.s.opts.Model)
	if r.temperature > 0 {
		style = mix(mix(style, math.Float64bits(r.temperature)), math.Float64bits(r.topP))
	}
	for _, c := range r.conversations {
		messages := r.messages[c.from:c.to]
		ch := chain{blocks: j.blocks}
		from := len(j.blocks)
		ch.prompt(messages)
		j.blocks = ch.blocks
		room := j.s.opts.MaxModelLen - ch.tokens
		if room < max(1, r.maxTokens) {
			return tooLong(j.s.opts.MaxModelLen, ch.tokens, max(1, r.maxTokens))
		}
		if r.maxTokens > 0 {
			room = r.maxTokens
		}
		q := look(messages)
		for k := range r.n {
			d := j.dice(mix(style, ch.hash), k)
			a := j.answer(&form, q, &d, room)
			j.answers = append(j.answers, a)
			// The blocks are named by their place until all are there, as the list may still move.
			j.seqs = append(j.seqs, sequence{prompt: ch.tokens, output: a.tokens, blocks: j.blocks[from:len(j.blocks)]})
		}
	}
	at := 0
	for i := range j.seqs {
		blocks := len(j.seqs[i].blocks)
		j.seqs[i].blocks = j.blocks[at : at+blocks]
		if (i+1)%r.n == 0 {
			at += blocks
		}
	}
	return nil
}

// dice are those of the k-th choice of a conversation. What a request determines comes from its hash: everything at
// temperature 0, and with a seed. So in a batch with a seed equal prompts get equal answers, as in vLLM.
func (j *job) dice(about uint64, k int) dice {
	switch {
	case j.req.temperature == 0:
		return dice{key: j.s.same, subject: about}
	case j.req.seeded:
		return dice{key: j.s.same, subject: mix(mix(about, uint64(j.req.seed)), uint64(k)+1)}
	case j.s.opts.Deterministic:
		return dice{key: j.s.same, subject: mix(about, uint64(k)+1)}
	}
	return dice{key: j.s.fresh, subject: j.s.freshSubject()}
}

// answer writes one answer of at most room tokens to the job's text. The end of an answer is a token as well.
func (j *job) answer(form *shape, q question, d *dice, room int) answer {
	a := answer{from: len(j.text)}
	if form.kind == freeText {
		j.text = appendAnswer(j.text, q, d, j.s.opts.Style, j.s.opts.Tokens)
	} else {
		j.text = form.append(j.text, q, d)
	}
	end := len(j.text)
	for _, stop := range j.req.stop {
		if i := bytes.Index(j.text[a.from:end], []byte(stop)); i >= 0 {
			end, a.stop = a.from+i, stop
		}
	}
	a.tokens = textTokens(end-a.from) + 1
	if a.tokens > room {
		a.tokens, a.cut, a.stop = room, true, ""
		end = a.from + len(cutText(j.text[a.from:end], room*bytesPerToken))
	}
	j.text = j.text[:end]
	a.to = end
	return a
}

// cutText is as much of a text as fits n bytes without breaking a character.
func cutText(b []byte, n int) []byte {
	if len(b) <= n {
		return b
	}
	for n > 0 && !utf8.RuneStart(b[n]) {
		n--
	}
	return b[:n]
}

// count counts answers that are whole.
func (j *job) count() {
	cut := uint64(0)
	for i := range j.answers {
		if j.answers[i].cut {
			cut++
		}
	}
	j.s.tally.cut.Add(cut)
	j.s.tally.stopped.Add(uint64(len(j.answers)) - cut)
}
