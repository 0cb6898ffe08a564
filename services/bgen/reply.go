package bgen

import (
	"strings"
	"sync/atomic"
	"unicode"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"

	"github.com/myriad-sim/myriad/internal/population/remote"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// maxHeader bounds the text of an error in a header, in bytes; the payload has all of it.
const maxHeader = 400

// failure is an error reply in the form of NATS micro services.
func failure(format remote.Format, code string, cause error) *nats.Msg {
	m := &nats.Msg{Header: nats.Header{
		subjects.HeaderContentType: {format.ContentType()},
		micro.ErrorHeader:          {headerText(cause)},
		micro.ErrorCodeHeader:      {code},
	}}
	data, err := format.Marshal(remote.Failure{V: remote.Version, Code: code, Error: cause.Error()})
	if err == nil {
		m.Data = data
	}
	return m
}

// headerText makes the text of an error fit for a header, which is one line.
func headerText(err error) string {
	text := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, err.Error())
	if len(text) > maxHeader {
		text = strings.ToValidUTF8(text[:maxHeader], "") + " …"
	}
	return text
}

// usage counts what became of requests since the start.
type usage struct{ drawn, reused, refused, failed, agents atomic.Int64 }

// Usage is what the service reports beside the figures of NATS micro services, under "data" of its statistics.
type Usage struct {
	Drawn   int64 `json:"drawn"`   // populations drawn and stored
	Reused  int64 `json:"reused"`  // populations found in the store
	Refused int64 `json:"refused"` // requests that were wrong or came at a bad time
	Failed  int64 `json:"failed"`  // requests that were taken on and not fulfilled
	Agents  int64 `json:"agents"`  // agents of all populations drawn
}

func (u *usage) count(r remote.Reply) {
	if r.Reused {
		u.reused.Add(1)
		return
	}
	u.drawn.Add(1)
	u.agents.Add(int64(r.Certificate.Size))
}

func (u *usage) read() Usage {
	return Usage{
		Drawn: u.drawn.Load(), Reused: u.reused.Load(), Refused: u.refused.Load(), Failed: u.failed.Load(), Agents: u.agents.Load(),
	}
}
