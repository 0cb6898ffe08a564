package agenthost

import (
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// decodeMsg reads a request in the format its header names, msgpack by default.
func decodeMsg(m *nats.Msg) (msg.Msg, error) {
	e, err := msg.EncodingOf(m.Header.Get(subjects.HeaderContentType))
	if err != nil {
		return msg.Msg{}, err
	}
	return e.Decode(m.Data)
}

// respond answers a request in the format it came in. An error goes into a header, and as text into the content, so that
// a person with a command line sees it.
func (s *Service) respond(m *nats.Msg, out *msg.Msg, failure error) {
	if m.Reply == "" {
		return
	}
	e, err := msg.EncodingOf(m.Header.Get(subjects.HeaderContentType))
	if err != nil {
		e = msg.JSON // whoever asked for something else can at least read the error
	}
	var data []byte
	if failure == nil {
		data, failure = e.Encode(*out)
	}
	answer := nats.NewMsg(m.Reply)
	answer.Header.Set(subjects.HeaderContentType, e.ContentType())
	if failure != nil {
		answer.Header.Set(subjects.HeaderError, strings.ReplaceAll(failure.Error(), "\n", " "))
		data, err = e.Encode(msg.New("agenthost", msg.RoleSystem, msg.Text(failure.Error())))
		if err != nil {
			s.log.Warn("message to an agent answered without a text", "subject", m.Subject, "error", err)
		}
	}
	answer.Data = data
	if err := s.nc.PublishMsg(answer); err != nil {
		s.log.Warn("message to an agent not answered", "subject", m.Subject, "error", err)
	}
}
