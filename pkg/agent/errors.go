package agent

import (
	"errors"

	"github.com/myriad-sim/myriad/internal/chat"
	"github.com/myriad-sim/myriad/internal/wire"
)

// ErrMemory says that bytes are not an exported memory. The text says where and why.
var ErrMemory = errors.New("not an exported memory")

// Errors of models. See Client.Complete.
var (
	// ErrModelBudget says that the run may not spend more on the model, or on all of them.
	ErrModelBudget = chat.ErrBudget
	// ErrModelRefused says that the gateway takes no calls to the model as it is described. Asking again is no use.
	ErrModelRefused = chat.ErrRefused
	// ErrModelRejected says that the model's server does not answer this conversation, such as one that is too long. Asking
	// again is no use; other conversations may work.
	ErrModelRejected = chat.ErrRejected
	// ErrModelFailed says that the model's servers gave no answer, however often they were asked.
	ErrModelFailed = chat.ErrFailed
)

// Errors of agents and those who reach them. They keep their identity over the wire: test for them with errors.Is.
var (
	// ErrBadRequest says that a request cannot be read or makes no sense.
	ErrBadRequest = wire.ErrBadRequest
	// ErrNobody says that no program listens at an address or for a host of that name.
	ErrNobody = wire.ErrNobody
	// ErrNoAgent says that a host has no agent of that name.
	ErrNoAgent = wire.ErrNoAgent
	// ErrNoKind says that a host's program has no such kind of agent.
	ErrNoKind = wire.ErrNoKind
	// ErrExists says that there is another agent of that name, with another kind or configuration.
	ErrExists = wire.ErrExists
	// ErrCrowded says that too many messages wait at a host. Nothing was done; try again later.
	ErrCrowded = wire.ErrCrowded
	// ErrCycle says that an agent that waits for an answer was asked for something that this answer waits for.
	ErrCycle = wire.ErrCycle
	// ErrFailed says that the agent's code returned an error; the text has its words.
	ErrFailed = wire.ErrFailed
	// ErrDeadline says that something was not done by its deadline.
	ErrDeadline = wire.ErrDeadline
	// ErrCancelled says that a holder of a promise ended the work on it.
	ErrCancelled = wire.ErrCancelled
	// ErrExpired says that a promised message was made, kept for its time, and forgotten.
	ErrExpired = wire.ErrExpired
	// ErrProducerLost says that the program that worked on a promised message is gone, and the message with it.
	ErrProducerLost = wire.ErrProducerLost
	// ErrStopped says that a program is stopping and takes nothing new.
	ErrStopped = wire.ErrStopped
	// ErrTooLarge says that a message or what it asks for exceeds a bound that the text names.
	ErrTooLarge = wire.ErrTooLarge
	// ErrUnavailable says that something cannot be done now, because the broker or a service does not answer.
	ErrUnavailable = wire.ErrUnavailable
)
