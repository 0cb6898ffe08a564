package fakevllm

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
)

// text reads a string, the other readers here what they are named by. Loc is the field, for the error.
func (r *request) text(loc string) ([]byte, error) {
	if r.cur.peek() != '"' {
		return nil, r.wrong(loc, "string_type", "Input should be a valid string")
	}
	return r.cur.str()
}

func (r *request) flag(loc string) (bool, error) {
	switch r.cur.peek() {
	case 't':
		return true, r.cur.word("true")
	case 'f':
		return false, r.cur.word("false")
	}
	return false, r.wrong(loc, "bool_type", "Input should be a valid boolean")
}

func (r *request) float(loc string) (float64, error) {
	if b := r.cur.peek(); b != '-' && (b < '0' || b > '9') {
		return 0, r.wrong(loc, "float_type", "Input should be a valid number")
	}
	raw, err := r.cur.number()
	if err != nil {
		return 0, err
	}
	x, err := strconv.ParseFloat(string(raw), 64)
	if err != nil {
		return 0, invalid(loc, "finite_number", "Input should be a finite number")
	}
	return x, nil
}

func (r *request) integer(loc string) (int64, error) {
	if b := r.cur.peek(); b != '-' && (b < '0' || b > '9') {
		return 0, r.wrong(loc, "int_type", "Input should be a valid integer")
	}
	raw, err := r.cur.number()
	if err != nil {
		return 0, err
	}
	if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
		return n, nil
	}
	// 512.0 is an integer as well, as long as a float can tell.
	if x, err := strconv.ParseFloat(string(raw), 64); err == nil && x == math.Trunc(x) && math.Abs(x) <= 1<<53 {
		return int64(x), nil
	}
	return 0, invalid(loc, "int_from_float", "Input should be a valid integer, got a number with a fractional part")
}

func (r *request) positive(loc string) (int, error) {
	n, err := r.integer(loc)
	if err == nil && n < 1 {
		err = badRequest(loc, "%s must be at least 1, got %d.", loc, n)
	}
	if err == nil && n > math.MaxInt32 {
		err = badRequest(loc, "%s is too large: %d.", loc, n)
	}
	return int(n), err
}

// wrong refuses a value of the wrong type, unless it is not even JSON.
func (r *request) wrong(loc, kind, msg string) error {
	if _, err := r.cur.skip(); err != nil {
		return err
	}
	return invalid(loc, kind, msg)
}

func (r *request) readStop() error {
	if r.cur.peek() == '"' {
		s, err := r.cur.str()
		r.stop = []string{string(s)}
		return r.checkStop(err)
	}
	if r.cur.peek() != '[' {
		return r.wrong("stop", "list_type", "Input should be a valid list")
	}
	r.stop = nil
	return r.checkStop(r.cur.array(func() error {
		s, err := r.text("stop." + strconv.Itoa(len(r.stop)))
		r.stop = append(r.stop, string(s))
		return err
	}))
}

func (r *request) checkStop(err error) error {
	for _, s := range r.stop {
		if err == nil && s == "" {
			err = badRequest("stop", "stop cannot contain an empty string.")
		}
	}
	return err
}

func (r *request) readStreamOptions() error {
	raw, err := r.cur.skip()
	if err != nil {
		return err
	}
	var o struct {
		IncludeUsage *bool `json:"include_usage"`
	}
	if err := json.Unmarshal(raw, &o); err != nil {
		return invalid("stream_options", "model_type", fmt.Sprintf("Input should be valid stream options: %v", err))
	}
	r.usage = o.IncludeUsage != nil && *o.IncludeUsage
	return nil
}
