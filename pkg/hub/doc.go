// Package hub is for those who talk in groups. What one participant of a [Hub] says every other observes, once, and all in
// the same order, however many hosts and services are killed on the way.
//
//	square, err := hub.Open(ctx, client, "square")
//	...
//	_, err = square.Add(ctx, ann, bob, carol) // addresses of agents, wherever they are
//	...
//	_, err = square.As(ann).Broadcast(ctx, msg.New("ann", msg.RoleUser, msg.Text("Good morning.")))
//
// Bob and Carol observe it. An agent that joins later may read what was said before with [Hub.History]. What is said may be
// the promise of a message: it takes its place in the order when the message exists.
//
// It may import pkg/msg, pkg/subjects, internal/wire and the NATS client; never a service.
package hub
