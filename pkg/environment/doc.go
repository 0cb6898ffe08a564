// Package environment is for those who write or use environments: named states that agents share.
//
// An environment has a name within its run, a state (keys and values, as they travel in messages), functions and listeners.
// It is an actor: its functions run one after the other, each wholly or not at all, and what a call changed is on disk when
// the call is answered. Environments nest: "world/group-a" is a child of "world" and can be created once "world" is there.
// A tree, which is an environment that has no parent with all that are nested in it, is one actor, so that a child may call
// functions of its parent and a parent may look at all its children within one call.
//
// Every environment has the built-in functions (see [Env]) and those of its [Kind]. Kinds are Go code over a transaction
// ([Tx]); with Myriad come "state" (functions and listeners declared by expressions), "chatroom", "map2d" and "timeline". A
// [Listener] waits for its condition to become true and then tells agents or a hub, once for each time it does.
//
// A [Client] calls functions, from agents and from programs. Any other NATS client can do the same with requests.
//
// It may import pkg/msg, pkg/subjects, its own sub-packages, internal/wire and the NATS client; never a service.
package environment
