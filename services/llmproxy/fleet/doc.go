// Package fleet sends calls to the endpoints of models. It decides which call goes next, to which endpoint, together with
// how many others, and what becomes of it when the attempt fails:
//
//   - queue.go, line.go, group.go: calls that wait, fair between runs, calls with the same system prompt next to each other.
//   - choose.go: the endpoint of a call. Each prompt has a home, so that the server's prefix cache is of use.
//   - size.go: how many calls share a request to a server that has a batch endpoint.
//   - limit.go, load.go: how many conversations an endpoint is given at a time.
//   - flight.go, landing.go, again.go: one attempt, and what follows from its end.
//   - down.go, probe.go: endpoints that cannot be reached, and how they come back.
//   - share.go, hedge.go, reserve.go: identical calls asked once, slow ones asked twice, and none without a budget.
//
// All state is under one lock. A call that waits is an index of its request: it has no object and no goroutine. One
// goroutine, the pump, starts attempts, and each attempt in flight is one goroutine, which stays for the next (crew.go).
//
// It may import internal/llm, internal/modelserver and internal/usage; never the bus or another package of services.
package fleet
