package subjects

import (
	"strconv"
	"strings"
)

// Classes of run log records: the token after "log".
const (
	// ClassControl is a control record: what the clock of the run decided.
	ClassControl = "ctl"
	// ClassAnswer is a chunk of a shard's answers.
	ClassAnswer = "answer"
	// ClassAsked says which agents of a shard were asked.
	ClassAsked = "asked"
	// ClassMessage is a message that changed an agent, with its outcome.
	ClassMessage = "message"
	// ClassCode is what changed the code agents of a host.
	ClassCode = "code"
	// ClassEnv is what changed an environment and those nested in it.
	ClassEnv = "env"
)

// Kinds of control records.
const (
	KindCreated   = "created"
	KindPopulated = "populated"
	KindLease     = "lease"
	KindOpened    = "opened"
	KindClosed    = "closed"
	KindEnvState  = "env.state"
	KindPaused    = "paused"
	KindResumed   = "resumed"
	KindCancelled = "cancelled"
	KindFinished  = "finished"
	KindFailed    = "failed"
	KindFault     = "fault"
	KindDamaged   = "damaged" // a note in the place of a record of any class that was lost on disk, see internal/damage
)

// Log is a parsed run log subject.
type Log struct {
	Run   string // run id
	Class string // one of the Class constants
	Kind  string // of a control record: one of the Kind constants; otherwise ""
	Shard int    // of answer, asked and message records; else 0
	Name  string // of code records the host, of env records the outermost environment; else ""
}

// LogCtl is the subject of a control record of a run. Kind is one of the Kind constants.
func LogCtl(run, kind string) string { return logOf(run, ClassControl) + kind }

// LogCtlAll matches the control records of a run. It is also the filter of the compare-and-set that control records are
// published with.
func LogCtlAll(run string) string { return logOf(run, ClassControl) + ">" }

// AnyRunCtl matches the control records of all runs.
func AnyRunCtl() string { return "myriad.run.*.log.ctl.>" }

// LogAnswer is the subject of a shard's answers.
func LogAnswer(run string, shard int) string { return logOf(run, ClassAnswer) + strconv.Itoa(shard) }

// LogAnswerAll matches the answers of a run.
func LogAnswerAll(run string) string { return logOf(run, ClassAnswer) + "*" }

// LogAsked is the subject of what a shard's agents were asked.
func LogAsked(run string, shard int) string { return logOf(run, ClassAsked) + strconv.Itoa(shard) }

// LogAskedAll matches what the agents of a run were asked.
func LogAskedAll(run string) string { return logOf(run, ClassAsked) + "*" }

// LogMessage is the subject of the messages that changed agents of a shard.
func LogMessage(run string, shard int) string { return logOf(run, ClassMessage) + strconv.Itoa(shard) }

// LogMessageAll matches the messages that changed agents of a run.
func LogMessageAll(run string) string { return logOf(run, ClassMessage) + "*" }

// LogCode is the subject of what changed the code agents of a run on a host.
func LogCode(run, host string) string { return logOf(run, ClassCode) + Encode(host) }

// AnyRunLogCode matches what changed the code agents of a host, in all runs.
func AnyRunLogCode(host string) string { return runPrefix + "*.log." + ClassCode + "." + Encode(host) }

// LogEnv is the subject of what changed an environment of a run and those nested in it. Root is the outermost.
func LogEnv(run, root string) string { return logOf(run, ClassEnv) + Encode(root) }

// AnyRunLogEnv matches what changed the environments of all runs.
func AnyRunLogEnv() string { return runPrefix + "*.log." + ClassEnv + ".*" }

// LogAll matches every record of a run: what a fold reads and a purge removes.
func LogAll(run string) string { return ofRun(run) + "log.>" }

// ParseLog reads the subject of a record. It refuses classes and kinds it does not know, and wildcards.
func ParseLog(subject string) (Log, error) {
	const want = "the subject of a run log record"
	run, rest, err := cutRun(subject, want)
	if err != nil {
		return Log{}, err
	}
	rest, ok := strings.CutPrefix(rest, "log.")
	if !ok {
		return Log{}, malformed(subject, want)
	}
	class, last, ok := strings.Cut(rest, ".")
	if !ok {
		return Log{}, malformed(subject, want)
	}
	l := Log{Run: run, Class: class}
	switch class {
	case ClassControl:
		if !knownKind(last) {
			return Log{}, malformed(subject, want)
		}
		l.Kind = last
	case ClassAnswer, ClassAsked, ClassMessage:
		if l.Shard, err = number(last); err != nil {
			return Log{}, err
		}
	case ClassCode, ClassEnv:
		if l.Name, err = Decode(last); err != nil {
			return Log{}, err
		}
	default:
		return Log{}, malformed(subject, want)
	}
	return l, nil
}

func knownKind(kind string) bool {
	switch kind {
	case KindCreated, KindPopulated, KindLease, KindOpened, KindClosed, KindEnvState, KindPaused, KindResumed,
		KindCancelled, KindFinished, KindFailed, KindFault, KindDamaged:
		return true
	}
	return false
}

func logOf(run, class string) string { return ofRun(run) + "log." + class + "." }

// AnyRunCtlKind is the filter for the control records of one kind, of every run.
func AnyRunCtlKind(kind string) string { return "myriad.run.*.log.ctl." + kind }
