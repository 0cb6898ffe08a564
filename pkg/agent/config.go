package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// readConfig reads the configuration of an agent into a pointer to a struct, and knows no keys but its. Nothing leaves the
// struct as it is. The error is ErrBadRequest with the place.
func readConfig(raw []byte, into any) error {
	if raw = bytes.TrimSpace(raw); len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	err := dec.Decode(into)
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.New("something follows it")
		}
	}
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong) && wrong.Field != "":
		return badConfig(wrong.Field, "a %s does not belong here", wrong.Value)
	}
	if key, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return badConfig(strings.Trim(key, `"`), "there is no such key; there are %s", strings.Join(keysOf(into), ", "))
	}
	return badConfig("", "%w", err)
}

func keysOf(into any) (keys []string) {
	for f := range reflect.TypeOf(into).Elem().Fields() {
		key, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		keys = append(keys, key)
	}
	return keys
}

// badConfig is the error of a place in a configuration, "" for all of it.
func badConfig(path, format string, args ...any) error {
	if path != "" {
		path = "." + path
	}
	return fmt.Errorf("%w: config%s: %w", ErrBadRequest, path, fmt.Errorf(format, args...))
}

func checkAudience(list []subjects.Address) error {
	for i, a := range list {
		if err := a.Check(); err != nil {
			return badConfig(fmt.Sprintf("audience[%d]", i), "%w", err)
		}
	}
	return nil
}
