package msg

import (
	"fmt"
	"time"
)

// decodeMsgpack reads one message and nothing after it.
func decodeMsgpack(data []byte) (Msg, error) {
	c := cursor{data: data}
	m, err := c.message()
	if err == nil {
		err = c.end()
	}
	if err != nil {
		return Msg{}, err
	}
	return m, nil
}

// message reads the next message. The version comes first and decides whether the rest is looked at. What cannot be read at
// all is the error before what is of a wrong type.
func (c *cursor) message() (m Msg, err error) {
	h, err := c.head()
	if err != nil {
		return Msg{}, err
	}
	n := h.count()
	if h.kind != kindList || n < 1 {
		return Msg{}, fmt.Errorf("%w: not a list of fields", ErrMalformed)
	}
	version, err := c.value(1)
	if err != nil {
		return Msg{}, err
	}
	if err := checkVersion(version); err != nil {
		return Msg{}, err
	}
	if n < fieldCount {
		return Msg{}, fmt.Errorf("%w: %d fields, version %d has %d", ErrMalformed, n, Version, fieldCount)
	}
	for i := fieldVersion + 1; i < n; i++ {
		if err := c.field(&m, i); err != nil {
			return Msg{}, err
		}
	}
	if c.wrong != nil {
		return Msg{}, c.wrong
	}
	if err := m.rules(); err != nil {
		return Msg{}, err
	}
	return m, nil
}

// field reads a field of a message.
func (c *cursor) field(m *Msg, i int) (err error) {
	switch i {
	case fieldID:
		m.ID, err = c.textField(1, fieldNames[i])
	case fieldName:
		m.Name, err = c.textField(1, fieldNames[i])
	case fieldRole:
		m.Role, err = c.roleField()
	case fieldContent:
		m.Content.value, err = c.value(1)
	case fieldURLs:
		m.URLs, err = c.urlsField()
	case fieldMetadata:
		m.Metadata, err = c.metadataField()
	case fieldTimestamp:
		m.Time, err = c.timeField(1, fieldNames[i])
	case fieldPlaceholder:
		m.Placeholder, err = c.promiseField()
	default:
		err = c.skip(1)
	}
	return err
}

// misfit notes a value of a type that its field does not have.
func (c *cursor) misfit(v any, format, field string) {
	if c.wrong == nil {
		c.wrong = fmt.Errorf("%w: "+format+" (%s)", ErrMalformed, typeName(v), field)
	}
}

// other reads a value of another type than its field has. Nil is the zero value of any field.
func (c *cursor) other(h head, depth int, field string) error {
	v, err := c.rest(h, depth)
	if err == nil && v != nil {
		c.misfit(v, notHere, field)
	}
	return err
}

const notHere = "a %s does not belong here"

func (c *cursor) textField(depth int, name string) (string, error) {
	h, err := c.head()
	if err != nil {
		return "", err
	}
	if h.kind == kindText {
		return c.text(h)
	}
	return "", c.other(h, depth, name)
}

// roleField takes the roles that there are from this program, not from the data.
func (c *cursor) roleField() (Role, error) {
	h, err := c.head()
	if err != nil {
		return "", err
	}
	if h.kind != kindText {
		return "", c.other(h, 1, fieldNames[fieldRole])
	}
	b, err := c.textBytes(h)
	switch string(b) {
	case string(RoleUser):
		return RoleUser, err
	case string(RoleAssistant):
		return RoleAssistant, err
	case string(RoleSystem):
		return RoleSystem, err
	}
	return Role(b), err
}

func (c *cursor) urlsField() ([]string, error) {
	h, err := c.head()
	if err != nil {
		return nil, err
	}
	if h.kind != kindList {
		return nil, c.other(h, 1, fieldNames[fieldURLs])
	}
	var urls []string
	for range h.count() {
		one, err := c.head()
		if err != nil {
			return nil, err
		}
		if one.kind == kindText {
			url, err := c.text(one)
			if err != nil {
				return nil, err
			}
			urls = append(urls, url)
			continue
		}
		v, err := c.rest(one, 2)
		if err != nil {
			return nil, err
		}
		c.misfit(v, "a %s in a list of texts", fieldNames[fieldURLs])
	}
	return urls, nil
}

func (c *cursor) metadataField() (map[string]any, error) {
	h, err := c.head()
	switch {
	case err != nil:
		return nil, err
	case h.kind != kindMap:
		return nil, c.other(h, 1, fieldNames[fieldMetadata])
	case h.n == 0:
		return nil, nil
	}
	return c.pairs(h, 1)
}

func (c *cursor) timeField(depth int, name string) (time.Time, error) {
	h, err := c.head()
	if err != nil {
		return time.Time{}, err
	}
	if h.kind == kindInt {
		return time.Unix(0, int64(h.n)).UTC(), nil
	}
	v, err := c.rest(h, depth)
	if err != nil || v == nil {
		return time.Time{}, err
	}
	if n, ok := v.(int64); ok { // a float, but a whole number all the same
		return time.Unix(0, n).UTC(), nil
	}
	c.misfit(v, "a %s instead of nanoseconds", name)
	return time.Time{}, nil
}

// promiseField reads the fields of a placeholder that this version knows and steps over the others.
func (c *cursor) promiseField() (*Placeholder, error) {
	h, err := c.head()
	if err != nil || h.kind == kindNil {
		return nil, err
	}
	if h.kind != kindList {
		return nil, fmt.Errorf("%w: a placeholder is a list", ErrMalformed)
	}
	var p Placeholder
	for i := range h.count() {
		switch i {
		case promiseRun:
			p.Run, err = c.textField(2, promiseNames[i])
		case promiseProducer:
			p.Producer, err = c.textField(2, promiseNames[i])
		case promiseID:
			p.ID, err = c.textField(2, promiseNames[i])
		case promiseExpires:
			p.Expires, err = c.timeField(2, promiseNames[i])
		default:
			err = c.skip(2)
		}
		if err != nil {
			return nil, err
		}
	}
	if h.n < promiseCount && c.wrong == nil {
		c.wrong = fmt.Errorf("%w: a placeholder has %d fields", ErrMalformed, promiseCount)
	}
	return &p, nil
}

// end refuses what follows.
func (c *cursor) end() error {
	if left := len(c.data) - c.at; left > 0 {
		return fmt.Errorf("%w: %d bytes too many", ErrMalformed, left)
	}
	return nil
}
