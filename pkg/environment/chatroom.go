package environment

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// Keys of a chatroom's state. Each message and member has a key of its own, so that a call writes no more than it changes.
const (
	chatCount  = "count"   // messages ever spoken
	chatMember = "member:" // + address: {name, since}
	chatSaid   = "said:"   // + number: {n, from, name, text, at}
)

// chatConfig is the configuration of kind "chatroom".
type chatConfig struct {
	Keep int64 `json:"keep"` // messages that stay readable; default 10,000
}

const defaultKeep = 10_000

// NewChatRoom is the kind "chatroom": agents join, speak, and read what was said since they joined. "@name" in what is said
// has the member of that name told. Its configuration is {"keep": messages that stay readable}.
func NewChatRoom(config []byte) (*Code, error) {
	c := chatConfig{Keep: defaultKeep}
	if err := strict(config, &c); err != nil {
		return nil, at("config", err)
	}
	if c.Keep < 1 {
		return nil, at("config", at("keep", fmt.Errorf("%w: %d, want at least 1", ErrBadRequest, c.Keep)))
	}
	return &Code{Functions: map[string]Function{
		"join": {Args: []string{"name?"}, Do: chatJoin,
			About: "makes the caller a member, under a name (else that of its address); returns {name, since}"},
		"leave": {Do: chatLeave, About: "ends the caller's membership"},
		"speak": {Args: []string{"text", "all?"}, Do: c.speak,
			About: "says something; @name tells the member of that name, all: true tells every other member; returns the number of the message"},
		"history": {Args: []string{"after?", "limit?"}, Do: c.history,
			About: "lists what was said since the caller joined: {messages: [{n, from, name, text, at}], next}"},
		"members": {Do: chatMembers, About: "lists the members: [{address, name, since}]"},
	}}, nil
}

func chatJoin(tx Tx, args Args) (any, error) {
	me := tx.Caller()
	if me == "" {
		return nil, fmt.Errorf("%w: only an agent can join; the request has no %s", ErrBadRequest, subjects.HeaderSender)
	}
	name, err := args.Text("name")
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = nameOf(me)
	}
	if strings.ContainsFunc(name, func(r rune) bool { return !inName(r) }) || len(name) > maxName {
		return nil, fmt.Errorf("%w: name: %.40q is not made of letters, digits, - and _", ErrBadRequest, name)
	}
	for address, m := range members(tx) {
		if m["name"] == name && address != me {
			return nil, fmt.Errorf("%w: the name %s is %s", ErrExists, name, address)
		}
	}
	since := number(tx, chatCount)
	if v, ok := tx.Get(chatMember + string(me)); ok {
		if m, ok := v.(map[string]any); ok && m["name"] == name {
			return m, nil // is a member already, and stays one since then
		} else if ok {
			since, _ = m["since"].(int64)
		}
	}
	m := map[string]any{"name": name, "since": since}
	return m, tx.Set(chatMember+string(me), m)
}

// nameOf is the last part of an address, as a name.
func nameOf(a subjects.Address) string {
	if _, name, ok := a.Code(); ok {
		return strings.Map(func(r rune) rune {
			if inName(r) {
				return r
			}
			return '_'
		}, name)
	}
	_, tail, _ := strings.Cut(string(a), ".")
	return "agent-" + strings.ReplaceAll(tail, ".", "-")
}

func inName(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || r == '-' || r == '_' }

func chatLeave(tx Tx, _ Args) (any, error) {
	if !tx.Delete(chatMember + string(tx.Caller())) {
		return nil, notIn(tx)
	}
	return nil, nil
}

func notIn(tx Tx) error { return fmt.Errorf("%w of %s: %q", ErrNotIn, tx.Env(), tx.Caller()) }

func (c chatConfig) speak(tx Tx, args Args) (any, error) {
	me, ok := member(tx, tx.Caller())
	if !ok {
		return nil, notIn(tx)
	}
	text, err := args.Text("text")
	if err != nil {
		return nil, err
	}
	all, err := args.Bool("all")
	if err != nil {
		return nil, err
	}
	n := number(tx, chatCount) + 1
	said := map[string]any{"n": n, "from": string(tx.Caller()), "name": me["name"], "text": text, "at": tx.Now().UnixMilli()}
	if err := tx.Set(saidKey(n), said); err != nil {
		return nil, err
	}
	if err := tx.Set(chatCount, n); err != nil {
		return nil, err
	}
	tx.Delete(saidKey(n - c.Keep))

	named := mentions(text)
	var to []subjects.Address
	for address, m := range members(tx) {
		name, _ := m["name"].(string)
		if address != tx.Caller() && (all || named[name]) {
			to = append(to, address)
		}
	}
	if len(to) == 0 {
		return n, nil
	}
	slices.Sort(to)
	name, _ := me["name"].(string)
	return n, tx.Tell(Tell{To: to, Msg: msg.Msg{
		Name: name, Role: msg.RoleUser, Content: msg.Text(text), Time: tx.Now(),
		Metadata: map[string]any{"environment": tx.Env(), "from": string(tx.Caller()), "n": n},
	}})
}

// mentions are the names after an @ in a text.
func mentions(text string) map[string]bool {
	out := map[string]bool{}
	for {
		_, rest, ok := strings.Cut(text, "@")
		if !ok {
			return out
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return !inName(r) || r == utf8.RuneError })
		if end < 0 {
			end = len(rest)
		}
		if end > 0 {
			out[rest[:end]] = true
		}
		text = rest[end:]
	}
}

func (c chatConfig) history(tx Tx, args Args) (any, error) {
	me, ok := member(tx, tx.Caller())
	if !ok {
		return nil, notIn(tx)
	}
	after, err := args.Int("after")
	if err != nil {
		return nil, err
	}
	limit, err := args.Int("limit")
	if err != nil {
		return nil, err
	}
	if limit <= 0 || limit > 1000 {
		limit = 1000
	}
	count := number(tx, chatCount)
	since, _ := me["since"].(int64)
	messages := []any{}
	next := max(after, since, count-c.Keep)
	for next < count && int64(len(messages)) < limit {
		next++
		if m, ok := tx.Get(saidKey(next)); ok {
			messages = append(messages, m)
		}
	}
	return map[string]any{"messages": messages, "next": next}, nil
}

func chatMembers(tx Tx, _ Args) (any, error) {
	out := []any{}
	all := members(tx)
	for _, a := range slices.Sorted(maps.Keys(all)) {
		out = append(out, map[string]any{"address": string(a), "name": all[a]["name"], "since": all[a]["since"]})
	}
	return out, nil
}

func member(tx Tx, a subjects.Address) (map[string]any, bool) {
	v, _ := tx.Get(chatMember + string(a))
	m, ok := v.(map[string]any)
	return m, ok
}

func members(tx Tx) map[subjects.Address]map[string]any {
	out := map[subjects.Address]map[string]any{}
	for _, key := range tx.Keys(chatMember) {
		a := subjects.Address(strings.TrimPrefix(key, chatMember))
		if m, ok := member(tx, a); ok {
			out[a] = m
		}
	}
	return out
}

func saidKey(n int64) string { return fmt.Sprintf("%s%012d", chatSaid, n) }

// number is the whole number under a key, 0 without one.
func number(tx Tx, key string) int64 {
	v, _ := tx.Get(key)
	n, _ := v.(int64)
	return n
}
