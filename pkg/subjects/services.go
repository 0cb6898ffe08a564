package subjects

import "strings"

const (
	chatPrefix = "myriad.llm."
	chatSuffix = ".chat"
)

// Chat is the request subject of calls to a model. Subscribers join ChatQueue; the reply is several messages to an
// inbox.
func Chat(model string) string { return chatPrefix + Encode(model) + chatSuffix }

// ChatAll matches the calls to all models.
func ChatAll() string { return chatPrefix + "*" + chatSuffix }

// ParseChat reads a subject that Chat built.
func ParseChat(subject string) (model string, err error) {
	rest, ok := strings.CutPrefix(subject, chatPrefix)
	token, cut := strings.CutSuffix(rest, chatSuffix)
	if !ok || !cut {
		return "", malformed(subject, "the subject of a model")
	}
	return Decode(token)
}

// Service is the request subject of an endpoint of a service's control API. Name is one of the Service constants.
func Service(name, endpoint string) string {
	return "myriad.svc." + Encode(name) + "." + Encode(endpoint)
}
