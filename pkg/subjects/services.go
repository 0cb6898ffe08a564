package subjects

import "strings"

const (
	modelPrefix   = "myriad.llm."
	chatSuffix    = ".chat"
	forwardSuffix = ".forward"
)

// Chat is the request subject of calls to a model. Subscribers join ChatQueue; the reply is several messages to an
// inbox.
func Chat(model string) string { return modelPrefix + Encode(model) + chatSuffix }

// ChatAll matches the calls to all models.
func ChatAll() string { return modelPrefix + "*" + chatSuffix }

// ParseChat reads a subject that Chat built.
func ParseChat(subject string) (model string, err error) {
	return parseModel(subject, chatSuffix, "the subject of a model")
}

// Forward is the request subject of what is passed through to the servers of a model, such as embeddings. Subscribers
// join ChatQueue; the reply is one message.
func Forward(model string) string { return modelPrefix + Encode(model) + forwardSuffix }

// ForwardAll matches what is passed through to the servers of all models.
func ForwardAll() string { return modelPrefix + "*" + forwardSuffix }

// ParseForward reads a subject that Forward built.
func ParseForward(subject string) (model string, err error) {
	return parseModel(subject, forwardSuffix, "the subject of what is passed through to a model")
}

// parseModel reads "myriad.llm.<model><suffix>".
func parseModel(subject, suffix, want string) (model string, err error) {
	rest, ok := strings.CutPrefix(subject, modelPrefix)
	token, cut := strings.CutSuffix(rest, suffix)
	if !ok || !cut {
		return "", malformed(subject, want)
	}
	return Decode(token)
}

// Service is the request subject of an endpoint of a service's control API. Name is one of the Service constants.
func Service(name, endpoint string) string {
	return "myriad.svc." + Encode(name) + "." + Encode(endpoint)
}

const envKindPrefix = "myriad.svc.environment."

// EnvKind is the request subject of an environment's function for the programs that have the code of a kind: what reaches
// one without it is passed on there.
func EnvKind(kind, run, env, function string) string {
	return envKindPrefix + Encode(kind) + "." + Encode(run) + "." + Encode(env) + "." + Encode(function)
}

// EnvKindAll matches what is passed on to the programs that have the code of a kind of environments.
func EnvKindAll(kind string) string { return envKindPrefix + Encode(kind) + ".*.*.*" }

// ParseEnvKind reads a subject that EnvKind built.
func ParseEnvKind(subject string) (kind, run, env, function string, err error) {
	const want = "the subject of an environment's function for a kind"
	rest, ok := strings.CutPrefix(subject, envKindPrefix)
	t := strings.Split(rest, ".")
	if !ok || len(t) != 4 {
		return "", "", "", "", malformed(subject, want)
	}
	err = decodeAll(t, &kind, &run, &env, &function)
	return kind, run, env, function, err
}
