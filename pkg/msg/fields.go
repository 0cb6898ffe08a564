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
func (m *Msg) check() error {
	if err := m.rules(); err != nil {
		return err
	}
	text, _ := m.Content.value.(string)
	for _, s := range [...]string{m.ID, m.Name, text} {
		if err := checkText(s); err != nil {
			return err
		}
	}
	for _, s := range m.URLs {
		if err := checkText(s); err != nil {
			return err
		}
	}
	if p := m.Placeholder; p != nil {
		for _, s := range [...]string{p.Run, p.Producer, p.ID} {
			if err := checkText(s); err != nil {
				return err
			}
		}
		if err := checkTime(p.Expires); err != nil {
			return err
		}
	}
	return checkTime(m.Time)
}

// rules are those of check that a message may break whose texts and times have been looked at one by one.
func (m *Msg) rules() error {
	switch m.Role {
	case "", RoleSystem, RoleUser, RoleAssistant:
	default:
		return fmt.Errorf("%w: unknown role %.40q", ErrInvalid, string(m.Role))
	}
	if p := m.Placeholder; p != nil {
		if m.Content.Kind() != KindNone {
			return fmt.Errorf("%w: a content beside a placeholder", ErrInvalid)
		}
		if p.Run == "" || p.Producer == "" || p.ID == "" {
			return fmt.Errorf("%w: a placeholder without run, producer or id", ErrInvalid)
		}
	}
	return nil
}

func checkTime(t time.Time) error {
	if !t.IsZero() && !time.Unix(0, t.UnixNano()).Equal(t) {
		return fmt.Errorf("%w: time %v does not fit", ErrInvalid, t)
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
