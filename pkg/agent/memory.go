package agent

import (
	"slices"
	"sync"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// Memory is what an agent remembers: messages, oldest first. It is safe for concurrent use. Messages in it are shared, with
// other memories too, and are not to be changed: neither their metadata nor their URLs.
type Memory struct {
	mu     sync.Mutex
	list   []*msg.Msg
	window int
	mark   mark
}

// mark is where a memory stood when it was last known to be durable. What the list held then is never overwritten before
// the next mark.
type mark struct {
	list    []*msg.Msg
	window  int
	since   int  // where in the present list that begins which came after the mark
	dropped int  // from the front of the list, by the window
	reset   bool // the present list is not the old one and what came after
}

// Change is what happened to a memory since a mark.
type Change struct {
	Reset  bool       // everything before was dropped, and Window set
	Window int        // with Reset: the most messages it holds from then on, 0 for any number
	Append []*msg.Msg // then these were appended
}

// Empty reports whether nothing happened.
func (c Change) Empty() bool { return !c.Reset && len(c.Append) == 0 }

// NewMemory returns an empty memory that holds any number of messages.
func NewMemory() *Memory { return &Memory{} }

// Append remembers messages. It copies them, but not their texts and data.
func (m *Memory) Append(list ...msg.Msg) { m.Share(pointers(slices.Clone(list))...) }

// Share is Append without the copies: the messages belong to everybody from now on. What Reply and Observe are given may be
// remembered in this way.
func (m *Memory) Share(list ...*msg.Msg) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.list = append(m.list, list...)
	m.trim()
}

// pointers returns pointers to the messages of a list that nobody writes to any more.
func pointers(list []msg.Msg) []*msg.Msg {
	out := make([]*msg.Msg, len(list))
	for i := range list {
		out[i] = &list[i]
	}
	return out
}

// trim forgets what the window has no place for.
func (m *Memory) trim() {
	over := len(m.list) - m.window
	if m.window == 0 || over <= 0 {
		return
	}
	m.list = m.list[over:] // the places in front keep what a rollback needs; Mark clears them
	m.mark.dropped += over
	m.mark.since = max(0, m.mark.since-over)
}

// Messages returns everything remembered, oldest first. The list is the caller's.
func (m *Memory) Messages() []msg.Msg { return m.Recent(0) }

// Recent returns the n newest messages, oldest first, or all if there are fewer or n is 0. The list is the caller's.
func (m *Memory) Recent(n int) []msg.Msg {
	m.mu.Lock()
	defer m.mu.Unlock()
	list := m.list
	if n > 0 && n < len(list) {
		list = list[len(list)-n:]
	}
	out := make([]msg.Msg, len(list))
	for i, p := range list {
		out[i] = *p
	}
	return out
}

// Select returns the messages for which keep is true, oldest first. keep must not use the memory.
func (m *Memory) Select(keep func(msg.Msg) bool) []msg.Msg {
	return slices.DeleteFunc(m.Messages(), func(one msg.Msg) bool { return !keep(one) })
}

// Len is how many messages are remembered.
func (m *Memory) Len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.list)
}

// Window bounds the memory: from now on it holds the n newest messages at most, or any number if n is 0.
func (m *Memory) Window(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.window = max(0, n)
	m.mark.reset = m.mark.reset || m.window != m.mark.window
	m.trim()
}

// Retain forgets the messages for which keep is false. keep must not use the memory.
func (m *Memory) Retain(keep func(msg.Msg) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := make([]*msg.Msg, 0, len(m.list))
	for _, p := range m.list {
		if keep(*p) {
			kept = append(kept, p)
		}
	}
	if len(kept) < len(m.list) {
		m.list, m.mark.reset = kept, true
	}
}

// Clear forgets everything. The window stays.
func (m *Memory) Clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.list) > 0 {
		m.list, m.mark.reset = nil, true
	}
}

// Mark is for hosts: Changes and Rollback refer to the memory as it is now. A new memory has a mark.
func (m *Memory) Mark() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.remark()
}

func (m *Memory) remark() {
	if old := m.mark.list; !m.mark.reset {
		clear(old[:min(m.mark.dropped, cap(old))]) // they stand before the first that is still in the list
	}
	m.mark = mark{list: m.list, window: m.window, since: len(m.list)}
}

// Changes is for hosts: what happened since the mark.
func (m *Memory) Changes() Change {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mark.reset {
		return m.everything()
	}
	return Change{Append: slices.Clone(m.list[m.mark.since:])}
}

// Everything is for hosts: the change that makes any memory this one.
func (m *Memory) Everything() Change {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.everything()
}

func (m *Memory) everything() Change {
	return Change{Reset: true, Window: m.window, Append: slices.Clone(m.list)}
}

// Rollback is for hosts: the memory is again as it was at the mark.
func (m *Memory) Rollback() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.mark.reset {
		clear(m.list[m.mark.since:]) // nothing else points there
	}
	m.list, m.window = m.mark.list, m.mark.window
	m.mark = mark{list: m.list, window: m.window, since: len(m.list)}
}

// Apply is for hosts: it makes happen again what Changes returned, and marks.
func (m *Memory) Apply(c Change) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.Reset {
		m.list, m.window, m.mark.reset = nil, max(0, c.Window), true
	}
	m.list = append(m.list, c.Append...)
	m.trim()
	m.remark()
}
