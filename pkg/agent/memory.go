package agent

import (
	"github.com/myriad-sim/myriad/pkg/msg"
)

// Memory is what an agent remembers: messages, oldest first. It is safe for concurrent use. Messages in it are shared and
// not to be changed.
type Memory struct {
	list []*msg.Msg
}

// Change is what happened to a memory since a mark.
type Change struct {
	Reset  bool       // everything before was dropped
	Append []*msg.Msg // then these were appended
}

// NewMemory returns an empty memory.
func NewMemory() *Memory { return &Memory{} }
