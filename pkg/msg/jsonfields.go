package msg

import (
	"fmt"
	"time"
)

// messageOf makes a message of its fields as they were read, in normal form; nil is the zero value of any field but the
// version.
func messageOf(raw [fieldCount]any) (m Msg, err error) {
	if err := checkVersion(raw[fieldVersion]); err != nil {
		return Msg{}, err
	}
	m.Content = Content{raw[fieldContent]}
	var role string
	for i, to := range [fieldCount]any{
		fieldID: &m.ID, fieldName: &m.Name, fieldRole: &role,
		fieldURLs: &m.URLs, fieldMetadata: &m.Metadata, fieldTimestamp: &m.Time,
	} {
		if to == nil {
			continue // has a rule of its own
		}
		if err := assign(to, raw[i]); err != nil {
			return Msg{}, fmt.Errorf("%w (%s)", err, fieldNames[i])
		}
	}
	m.Role = Role(role)
	if v := raw[fieldPlaceholder]; v != nil {
		if m.Placeholder, err = promiseOf(v); err != nil {
			return Msg{}, fmt.Errorf("%w (%s)", err, fieldNames[fieldPlaceholder])
		}
	}
	return m, m.check()
}

func promiseOf(v any) (*Placeholder, error) {
	object, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%w: a %s does not belong here", ErrMalformed, typeName(v))
	}
	var p Placeholder
	for i, to := range [promiseCount]any{&p.Run, &p.Producer, &p.ID, &p.Expires} {
		if err := assign(to, object[promiseNames[i]]); err != nil {
			return nil, fmt.Errorf("%w (%s)", err, promiseNames[i])
		}
	}
	return &p, nil
}

// assign stores a value as it was read in a field of a message.
func assign(to, v any) (err error) {
	if v == nil {
		return nil
	}
	ok := false
	switch to := to.(type) {
	case *string:
		*to, ok = v.(string)
	case *map[string]any:
		*to, ok = v.(map[string]any)
		if len(*to) == 0 {
			*to = nil
		}
	case *[]string:
		var list []any
		if list, ok = v.([]any); ok {
			*to, err = texts(list)
		}
	case *time.Time:
		*to, err = timeOf(v)
		ok = true
	}
	if !ok {
		return fmt.Errorf("%w: a %s does not belong here", ErrMalformed, typeName(v))
	}
	return err
}

func texts(list []any) ([]string, error) {
	var out []string
	for _, v := range list {
		s, ok := v.(string)
		if !ok {
			return nil, fmt.Errorf("%w: a %s in a list of texts", ErrMalformed, typeName(v))
		}
		out = append(out, s)
	}
	return out, nil
}

func timeOf(v any) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, fmt.Errorf("%w: a %s instead of an RFC 3339 time", ErrMalformed, typeName(v))
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return normalTime(t), nil
}
