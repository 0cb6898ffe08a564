package hosts

import "github.com/myriad-sim/myriad/pkg/subjects"

// Endpoints of the coordinator, for control.Ask.
const (
	EndpointList    = "hosts"   // no body -> Listing
	EndpointDrain   = "drain"   // Order -> Status
	EndpointUndrain = "undrain" // Order -> Status
)

// Order names a host.
type Order struct {
	ID string `json:"id"`
}

// Telling is what a coordinator tells a host, on DrainSubject. The host answers with its Beat.
type Telling struct {
	Draining bool `json:"draining"`
}

// States of a host.
const (
	StateLiving   = "living"   // takes work
	StateDraining = "draining" // gives it away
	StateDrained  = "drained"  // has none left, and gets none
)

// Status is a living host as a coordinator sees it.
type Status struct {
	Beat
	State string `json:"state" enum:"living,draining,drained"`
}

// Listing is all living hosts, by id.
type Listing struct {
	Hosts []Status `json:"hosts"`
}

// AnnounceSubject is where all hosts are asked for a beat. They put it into the bucket; nobody replies.
func AnnounceSubject() string { return subjects.Service(subjects.ServiceAgentHost, "announce") }

// DrainSubject is where one life of a host is told to drain, or not to.
func DrainSubject(incarnation string) string {
	return subjects.Service(subjects.ServiceAgentHost, "drain-"+incarnation)
}
