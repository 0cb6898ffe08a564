package llmproxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
)

// outcome is what became of one attempt.
type outcome struct {
	done   completion // when err is nil
	err    error
	final  bool          // trying again would not help
	after  time.Duration // the server asked to wait that long, 0: it did not
	health error         // for the breaker: nil, errSick or errNoSigns
}

// attempt makes one HTTP call. Only a whole and well-formed response gives a completion: text of a response that was
// cut off is never used.
func attempt(ctx context.Context, e *endpoint, spec *spec, messages []openai.ChatCompletionMessageParamUnion) outcome {
	limited, cancel := context.WithTimeout(ctx, spec.timeout)
	defer cancel()
	params := spec.params
	params.Messages = messages
	var resp *http.Response
	got, err := e.chat.New(limited, params, option.WithResponseInto(&resp))
	switch {
	case err != nil && ctx.Err() != nil:
		return outcome{err: ctx.Err(), health: errNoSigns}
	case err != nil && limited.Err() != nil:
		return outcome{err: fmt.Errorf("no answer within %v", spec.timeout), health: errSick}
	case resp == nil:
		return outcome{err: err, health: errSick}
	case resp.StatusCode >= 300:
		return refused(resp, err, e.key)
	case err != nil:
		return outcome{err: fmt.Errorf("malformed response: %w", err), health: errNoSigns}
	}
	return read(got)
}

// read takes the completion out of a well-formed response.
func read(got *openai.ChatCompletion) outcome {
	if len(got.Choices) == 0 {
		return outcome{err: errors.New("the response has no choices"), health: errNoSigns}
	}
	choice := got.Choices[0]
	text := choice.Message.Content
	if text == "" {
		text = choice.Message.Refusal
	}
	if text == "" && choice.FinishReason == "content_filter" {
		return outcome{err: errors.New("the server's content filter withheld the completion"), final: true}
	}
	// Text that ended at max_tokens, be it empty, is what the model had to say; asking again would end there too.
	if text == "" && choice.FinishReason != "length" {
		return outcome{err: errors.New("the response has an empty choice"), health: errNoSigns}
	}
	return outcome{done: completion{
		text: text, served: got.Model, tokensIn: tokens(got.Usage.PromptTokens), tokensOut: tokens(got.Usage.CompletionTokens),
		cut: choice.FinishReason == "length",
	}}
}

func tokens(n int64) uint32 { return uint32(min(max(n, 0), math.MaxUint32)) }

// refused reads an error status.
func refused(resp *http.Response, err error, key string) outcome {
	why := reason(resp, err)
	o := outcome{err: fmt.Errorf("HTTP %d: %s", resp.StatusCode, why)}
	switch status := resp.StatusCode; {
	case status < 400:
		o.err = fmt.Errorf("HTTP %d: redirects are not followed; name the server's own URL", status)
		o.final = true
	case status == http.StatusRequestTimeout, status == http.StatusConflict, status == http.StatusTooManyRequests:
		o.health = errNoSigns
	case status >= 500:
		o.health = errSick
	default:
		o.final = true
		if key == "" && (status == http.StatusUnauthorized || status == http.StatusForbidden) {
			o.err = fmt.Errorf("HTTP %d, and no key was sent (see api_key_env and %sKEY_HOSTS): %s", status, EnvPrefix, why)
		}
	}
	o.after = retryAfter(resp.Header.Get("Retry-After"), time.Now())
	return o
}

// reason is what the server says is wrong, in a line. The client has read the body and put it back.
func reason(resp *http.Response, err error) string {
	const most = 300
	text := ""
	if api, ok := errors.AsType[*openai.Error](err); ok {
		text = api.Message
	}
	if text == "" && resp.StatusCode >= 400 {
		body, readErr := io.ReadAll(io.LimitReader(resp.Body, 4*most))
		if readErr == nil {
			text = string(body)
		}
	}
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "")), " ")
	if text == "" {
		return http.StatusText(resp.StatusCode)
	}
	return text
}

// retryAfter reads the header: seconds or a date. 0 when there is none or it is over.
func retryAfter(header string, now time.Time) time.Duration {
	if s, err := strconv.ParseFloat(header, 64); err == nil {
		if !(s > 0) {
			return 0
		}
		return time.Duration(min(s, math.MaxInt32) * float64(time.Second))
	}
	if t, err := http.ParseTime(header); err == nil {
		return max(t.Sub(now), 0)
	}
	return 0
}

// shorten cuts an error text to a line that fits in a result.
func shorten(s string) string {
	const most = 400
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
