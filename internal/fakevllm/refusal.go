package fakevllm

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// refusal is why a request gets no answer, as vLLM says it.
type refusal struct {
	status int
	kind   string // the "type" of the error
	param  string // "" is null
	text   string
}

func (r *refusal) Error() string { return r.text }

// invalid is what the check of the body against its fields finds. Loc is where, such as "messages.0.role".
func invalid(loc, kind, msg string) *refusal {
	param := "body"
	if loc != "" {
		param += "." + loc
	}
	return &refusal{
		http.StatusBadRequest, "Bad Request", param,
		fmt.Sprintf("1 validation error:\n  {'type': '%s', 'loc': '%s', 'msg': '%s'}", kind, param, msg),
	}
}

// valueError is what a rule about several fields finds.
func valueError(param, msg string) *refusal {
	r := invalid("", "value_error", "Value error, "+msg)
	r.param = param
	return r
}

// badRequest is what the engine's own checks find.
func badRequest(param, format string, args ...any) *refusal {
	text := fmt.Sprintf(format, args...)
	return &refusal{http.StatusBadRequest, "BadRequestError", param, text}
}

func tooLong(limit, prompt, output int) *refusal {
	return badRequest("input_tokens",
		"This model's maximum context length is %d tokens. However, you requested %d output tokens and your prompt "+
			"contains at least %d input tokens, for a total of at least %d tokens. Please reduce the length of the input "+
			"prompt or the number of requested output tokens. (parameter=input_tokens, value=%d)",
		limit, output, prompt, prompt+output, prompt)
}

func noModel(name string) *refusal {
	return &refusal{
		http.StatusNotFound, "NotFoundError", "model", fmt.Sprintf("The model `%s` does not exist.", name),
	}
}

func plainRefusal(status int, kind, text string) *refusal {
	return &refusal{status: status, kind: kind, text: text}
}

func (r *refusal) write(w http.ResponseWriter) {
	type body struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    int     `json:"code"`
	}
	b := body{r.text, r.kind, nil, r.status}
	if r.param != "" {
		b.Param = &r.param
	}
	writeJSON(w, r.status, map[string]body{"error": b})
}

// writeDetail is how FastAPI itself refuses.
func writeDetail(w http.ResponseWriter, status int, detail string) {
	writeJSON(w, status, map[string]string{"detail": detail})
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // every value here is strings and numbers
		w.WriteHeader(http.StatusInternalServerError)
		return
	}
	writeBody(w, status, body)
}

func writeBody(w http.ResponseWriter, status int, body []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // a client that has gone needs no answer
}
