// Package remote is how services have a population drawn and get at it: the request to the bgen service with its
// payloads, and the object store in which populations wait under their content address.
//
// The request goes to subjects.Service("bgen", "populate"). Payloads are msgpack maps, or JSON when the request says so
// in its Content-Type; both have the same field names. The answer is one reply; while bgen works, partial replies with
// an empty payload and the header "Myriad-Progress: done/total" come before it, one a second. An error is a reply with
// the headers of NATS micro services, Nats-Service-Error and Nats-Service-Error-Code, and a Failure as its payload.
//
// It may import internal/population, pkg/subjects and the NATS client.
package remote
