package msg

import (
	"fmt"
	"time"
)

// The fields of an encoded message: places in the msgpack array, and names in the JSON object. New ones go at the end.
const (
	fieldVersion = iota
	fieldID
	fieldName
	fieldRole
	fieldContent
	fieldURLs
	fieldMetadata
	fieldTimestamp
	fieldPlaceholder
	fieldCount
)

var fieldNames = [fieldCount]string{
	"v", "id", "name", "role", "content", "urls", "metadata", "timestamp", "placeholder",
}

// The fields of an encoded placeholder, likewise.
const (
	promiseRun = iota
	promiseProducer
	promiseID
	promiseExpires
	promiseCount
)

var promiseNames = [promiseCount]string{"run", "producer", "id", "expires"}

// form is what the two encodings do differently: how they write a time and a placeholder.
type form struct {
	time    func(v any) (time.Time, error)
	promise func(v any) (raw [promiseCount]any, err error)
}

// message makes a message of its fields as they were read, in normal form; nil is the zero value of any field but the
// version.
func (f form) message(raw [fieldCount]any) (m Msg, err error) {
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
		if err := f.assign(to, raw[i]); err != nil {
			return Msg{}, fmt.Errorf("%w (%s)", err, fieldNames[i])
		}
	}
	m.Role = Role(role)
	if v := raw[fieldPlaceholder]; v != nil {
		if m.Placeholder, err = f.placeholder(v); err != nil {
			return Msg{}, fmt.Errorf("%w (%s)", err, fieldNames[fieldPlaceholder])
		}
	}
	return m, m.check()
}

func (f form) placeholder(v any) (*Placeholder, error) {
	raw, err := f.promise(v)
	if err != nil {
		return nil, err
	}
	var p Placeholder
	for i, to := range [promiseCount]any{&p.Run, &p.Producer, &p.ID, &p.Expires} {
		if err := f.assign(to, raw[i]); err != nil {
			return nil, fmt.Errorf("%w (%s)", err, promiseNames[i])
		}
	}
	return &p, nil
}

// assign stores a value as it was read in a field of a message.
func (f form) assign(to, v any) (err error) {
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
		*to, err = f.time(v)
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

func checkVersion(v any) error {
	n, ok := v.(int64)
	if !ok {
		return fmt.Errorf("%w: a %s instead of a version", ErrMalformed, typeName(v))
	}
	if n != Version {
		return fmt.Errorf("%w: the message is of version %d, this program reads %d", ErrVersion, n, Version)
	}
	return nil
}

// normal is the message as it comes back after a journey: metadata in normal form, times in UTC, empty lists nil.
func (m Msg) normal() (Msg, error) {
	if len(m.Metadata) == 0 {
		m.Metadata = nil
	} else {
		metadata, err := normalMap(m.Metadata, 1)
		if err != nil {
			return Msg{}, fmt.Errorf("metadata: %w", err)
		}
		m.Metadata = metadata
	}
	if len(m.URLs) == 0 {
		m.URLs = nil
	}
	m.Time = normalTime(m.Time)
	if m.Placeholder != nil {
		p := *m.Placeholder
		p.Expires = normalTime(p.Expires)
		m.Placeholder = &p
	}
	return m, m.check()
}

// check refuses what is well formed but no message. It assumes metadata and data in normal form.
func (m Msg) check() error {
	switch m.Role {
	case "", RoleSystem, RoleUser, RoleAssistant:
	default:
		return fmt.Errorf("%w: unknown role %.40q", ErrInvalid, string(m.Role))
	}
	all := append([]string{m.ID, m.Name}, m.URLs...)
	if m.Content.Kind() == KindText {
		all = append(all, m.Content.String())
	}
	times := []time.Time{m.Time}
	if p := m.Placeholder; p != nil {
		if m.Content.Kind() != KindNone {
			return fmt.Errorf("%w: a content beside a placeholder", ErrInvalid)
		}
		if p.Run == "" || p.Producer == "" || p.ID == "" {
			return fmt.Errorf("%w: a placeholder without run, producer or id", ErrInvalid)
		}
		all = append(all, p.Run, p.Producer, p.ID)
		times = append(times, p.Expires)
	}
	for _, s := range all {
		if err := checkText(s); err != nil {
			return err
		}
	}
	for _, t := range times {
		if !t.IsZero() && !time.Unix(0, t.UnixNano()).Equal(t) {
			return fmt.Errorf("%w: time %v does not fit", ErrInvalid, t)
		}
	}
	return nil
}

// normalTime has no monotonic clock and no zone, so that equal times are equal values.
func normalTime(t time.Time) time.Time {
	if t.IsZero() {
		return time.Time{}
	}
	return t.Round(0).UTC()
}

// typeName is the type of a value in normal form, in words.
func typeName(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "boolean"
	case int64, float64:
		return "number"
	case string:
		return "text"
	case []any:
		return "list"
	default:
		return "map"
	}
}
