package agent

import (
	"bytes"
	"fmt"
	"math"
	"slices"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// memoryVersion is the version of an exported memory, which is an array of the version, the window, and the messages.
// Fields are only ever appended.
const (
	memoryVersion = 1
	memoryFields  = 3
)

// Export returns the memory for Import. The same memory gives the same bytes. The error is that of a message that cannot
// travel, such as one with a struct in its metadata.
func (m *Memory) Export() ([]byte, error) {
	m.mu.Lock()
	list, window := slices.Clone(m.list), m.window
	m.mu.Unlock()
	var b bytes.Buffer
	enc := msgpack.NewEncoder(&b)
	enc.UseCompactInts(true)
	for _, err := range []error{
		enc.EncodeArrayLen(memoryFields), enc.EncodeInt(memoryVersion), enc.EncodeInt(int64(window)), enc.EncodeArrayLen(len(list)),
	} {
		if err != nil {
			return nil, fmt.Errorf("agent: export a memory: %w", err)
		}
	}
	for i, one := range list {
		if err := one.EncodeMsgpack(enc); err != nil {
			return nil, fmt.Errorf("agent: export a memory: message %d of %d: %w", i+1, len(list), err)
		}
	}
	return b.Bytes(), nil
}

// Import replaces the memory, its window included, by one that was exported. The error is ErrMemory; the memory is then as
// it was.
func (m *Memory) Import(data []byte) error {
	window, list, err := decodeMemory(data)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMemory, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list, m.window, m.mark.reset = list, window, true
	m.trim()
	return nil
}

func decodeMemory(data []byte) (window int, list []*msg.Msg, err error) {
	r := bytes.NewReader(data)
	dec := msgpack.NewDecoder(r)
	fields, err := dec.DecodeArrayLen()
	if err != nil {
		return 0, nil, err
	}
	if fields < memoryFields {
		return 0, nil, fmt.Errorf("%d fields instead of %d", fields, memoryFields)
	}
	version, err := dec.DecodeInt64()
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("version: %w", err)
	case version != memoryVersion:
		return 0, nil, fmt.Errorf("it is of version %d, this program reads %d", version, memoryVersion)
	}
	wide, err := dec.DecodeInt64()
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("window: %w", err)
	case wide < 0 || wide > math.MaxInt32:
		return 0, nil, fmt.Errorf("a window of %d messages", wide)
	}
	n, err := dec.DecodeArrayLen()
	if err != nil {
		return 0, nil, fmt.Errorf("messages: %w", err)
	}
	for i := range n { // what the count promises is held as it comes
		one := new(msg.Msg)
		if err := one.DecodeMsgpack(dec); err != nil {
			return 0, nil, fmt.Errorf("message %d of %d: %w", i+1, n, err)
		}
		list = append(list, one)
	}
	for range fields - memoryFields {
		if err := dec.Skip(); err != nil {
			return 0, nil, fmt.Errorf("further fields: %w", err)
		}
	}
	if r.Len() > 0 {
		return 0, nil, fmt.Errorf("%d bytes follow it", r.Len())
	}
	return int(wide), list, nil
}
