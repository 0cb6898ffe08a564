package fakevllm

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// streamed is one choice on its way out, a token at a time.
type streamed struct {
	at   int // bytes sent
	due  time.Time
	live bool // it started and has not ended
}

// stream answers one conversation as server-sent events, each token when it exists.
func (j *job) stream(w http.ResponseWriter, r *http.Request) error {
	g := newGroup(j.seqs, true)
	j.s.engine.submit(g)
	defer j.s.engine.abort(g) // when the client goes before the end
	h := w.Header()
	h.Set("Content-Type", "text/event-stream; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	head := j.appendID(nil, `{"id":"chatcmpl-`)
	head = fmt.Appendf(head, `","object":"chat.completion.chunk","created":%d,"model":`, time.Now().Unix())
	head = append(appendString(head, []byte(j.s.opts.Model)), `,"choices":[`...)
	choices := make([]streamed, len(j.answers))
	flush := http.NewResponseController(w)
	j.out = j.out[:0]
	for open := len(choices); open > 0; {
		now := time.Now()
		next := now.Add(time.Hour)
		for i := range choices {
			c := &choices[i]
			for c.live && !c.due.After(now) {
				j.out = j.appendDelta(j.out, head, c, i)
				if c.due = c.due.Add(j.s.opts.PerToken); c.at == j.answers[i].to-j.answers[i].from {
					c.live = false
					open--
				}
			}
			if c.live && c.due.Before(next) {
				next = c.due
			}
		}
		if err := j.flush(w, r, flush); err != nil || open == 0 {
			if err != nil {
				return err
			}
			break
		}
		timer := time.NewTimer(time.Until(next))
		select {
		case first := <-g.started:
			choices[first.seq] = streamed{due: first.at.Add(j.s.opts.PerToken), live: true}
			j.out = fmt.Appendf(j.out, `data: %s{"index":%d,"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}],"prompt_token_ids":null}`+"\n\n", head, first.seq)
		case <-timer.C:
		case <-r.Context().Done():
		case <-j.s.closed:
		}
		timer.Stop()
		if r.Context().Err() != nil || j.isClosed() {
			return errGone
		}
	}
	if err := j.wait(r, g); err != nil {
		return err
	}
	j.count()
	if j.req.usage {
		output := 0
		for i := range j.answers {
			output += j.answers[i].tokens
		}
		j.out = append(append(append(j.out, "data: "...), head...), `],"usage":`...)
		j.out = append(appendUsage(j.out, j.promptTokens(), output), "}\n\n"...)
	}
	j.out = append(j.out, "data: [DONE]\n\n"...)
	j.s.tally.completions.Add(uint64(len(j.answers)))
	return j.flush(w, r, flush)
}

func (j *job) isClosed() bool {
	select {
	case <-j.s.closed:
		return true
	default:
		return false
	}
}

// appendDelta writes the next token of a choice, with the last one why it ended.
func (j *job) appendDelta(b, head []byte, c *streamed, i int) []byte {
	a := &j.answers[i]
	rest := j.text[a.from+c.at : a.to]
	token := cutText(rest, bytesPerToken)
	if len(token) == 0 && len(rest) > 0 { // a text that is not UTF-8
		token = rest[:min(bytesPerToken, len(rest))]
	}
	c.at += len(token)
	b = append(append(b, "data: "...), head...)
	b = append(strconv.AppendInt(append(b, `{"index":`...), int64(i), 10), `,"delta":{"content":`...)
	b = append(appendString(b, token), `},"logprobs":null,`...)
	if c.at == a.to-a.from {
		b = a.appendFinish(b)
	} else {
		b = append(b, `"finish_reason":null`...)
	}
	return append(b, `,"token_ids":null}]}`+"\n\n"...)
}

// flush sends what was written so far, broken as the request's fault says: the last event without its end, half of
// everything and then a reset, or byte by byte.
func (j *job) flush(w http.ResponseWriter, r *http.Request, flush *http.ResponseController) error {
	out := j.out
	j.out = j.out[:0]
	if len(out) == 0 {
		return nil
	}
	switch j.fault {
	case Slow:
		return j.drip(w, r, out)
	case Malformed:
		out = append(out[:len(out)-len("}}\n\n")], "\n\n"...)
	case Reset:
		if _, err := w.Write(out[:len(out)/2]); err != nil {
			return errGone
		}
		if err := flush.Flush(); err != nil {
			return errGone
		}
		conn, _, err := flush.Hijack()
		if err != nil {
			return err
		}
		reset(conn)
		return errGone
	default:
	}
	if _, err := w.Write(out); err != nil {
		return errGone
	}
	if err := flush.Flush(); err != nil {
		return errGone
	}
	return nil
}
