package conformance

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// later is a version of the message that does not exist yet.
const later = 4711

func checkUnknownFields(ctx context.Context, p *probe) *failure {
	return first(
		func() *failure {
			return p.isMessage(ctx, data(subjects.VerbInterview, msg.JSON,
				`{"v":1,"content":"hello","mood":"good","later":{"deep":[1,null,{"er":true}]}}`))
		},
		func() *failure {
			return p.isMessage(ctx, data(subjects.VerbInterview, msg.JSON,
				`{"content":"hello","name":null,"role":"user","urls":["https://example.org/a.png"],"metadata":{"n":9007199254740993,"x":[0.5]}}`))
		})
}

func checkVersion(ctx context.Context, p *probe) *failure {
	return p.refusesVersion(ctx, msg.JSON, `{"v":`+strconv.Itoa(later)+`,"content":"hello"}`)
}

func (p *probe) refusesVersion(ctx context.Context, e msg.Encoding, raw string) *failure {
	return p.unchanged(ctx, "a message of another version", func() *failure {
		got := p.ask(ctx, data(subjects.VerbObserve, e, raw))
		if got.code != "bad-request" || !strings.Contains(got.text, strconv.Itoa(later)) {
			return fail(badRequest+" with a text that names version "+strconv.Itoa(later), "%s", got)
		}
		return nil
	})
}

func checkMalformed(ctx context.Context, p *probe) *failure {
	for _, raw := range []string{`{`, `{"content":"hello"`, `{"content":hello}`, `hello`, `"hello"`, `17`, `true`, `[1]`, `[{"content":"a"},`} {
		if f := p.isError(ctx, data(subjects.VerbReply, msg.JSON, raw), "bad-request", "the payload "+raw); f != nil {
			return f
		}
	}
	return nil
}

func checkUnknownEncoding(ctx context.Context, p *probe) *failure {
	a := data(subjects.VerbReply, msg.JSON, "<content>hello</content>").with(subjects.HeaderContentType, "application/xml")
	return p.isError(ctx, a, "bad-request", "Content-Type: application/xml")
}

// packed asks in msgpack.
func packed(verb, text string) ask {
	return ask{verb: verb, encoding: msg.Msgpack, list: []msg.Msg{{Content: msg.Text(text)}}}
}

func checkMsgpack(ctx context.Context, p *probe) *failure {
	got := p.ask(ctx, packed(subjects.VerbInterview, hello))
	if got.code == "bad-request" && got.json {
		return skip("the agent reads JSON only, and says so: %s", cut(got.text))
	}
	if !got.answered() {
		return fail("a message, or from an agent that reads JSON only bad-request in JSON", "%s", got)
	}
	p.level = LevelFull
	content, err := msg.Data(map[string]any{"bid": 12, "odds": 0.25, "open": true, "list": []any{nil, -3, "é"}})
	if err != nil {
		return fail("a message to send", "%v", err)
	}
	full := msg.New("ann", msg.RoleUser, content)
	full.URLs, full.Metadata = []string{"https://example.org/a.png"}, map[string]any{"n": int64(1)<<53 + 1}
	return first(
		func() *failure {
			return p.isMessage(ctx, ask{verb: subjects.VerbObserve, encoding: msg.Msgpack, list: []msg.Msg{full}})
		},
		func() *failure { return p.isMessage(ctx, ask{verb: subjects.VerbState, encoding: msg.Msgpack}) },
		func() *failure {
			return p.isMessage(ctx, packed(subjects.VerbInterview, hello).with(subjects.HeaderContentType, msg.ContentMsgpack))
		})
}

func (p *probe) jsonOnly() *failure {
	if p.level != LevelFull {
		return skip("the agent reads JSON only")
	}
	return nil
}

func checkMsgpackList(ctx context.Context, p *probe) *failure {
	return first(p.jsonOnly, func() *failure { return p.list(ctx, msg.Msgpack) })
}

func checkMsgpackLonger(ctx context.Context, p *probe) *failure {
	return first(p.jsonOnly, func() *failure {
		fields := []any{1, "m1", "ann", "user", hello, []any{}, map[string]any{}, nil, nil, "added", map[string]any{"later": []any{1}}}
		raw, err := msgpack.Marshal(fields)
		if err != nil {
			return fail("a message to send", "%v", err)
		}
		return p.isMessage(ctx, data(subjects.VerbInterview, msg.Msgpack, string(raw)))
	})
}

func checkMsgpackVersion(ctx context.Context, p *probe) *failure {
	return first(p.jsonOnly, func() *failure {
		raw, err := msgpack.Marshal([]any{later, "a layout", map[string]any{"that": "nobody knows"}})
		if err != nil {
			return fail("a message to send", "%v", err)
		}
		return p.refusesVersion(ctx, msg.Msgpack, string(raw))
	})
}

func checkMsgpackMalformed(ctx context.Context, p *probe) *failure {
	if f := p.jsonOnly(); f != nil {
		return f
	}
	whole, err := msg.Msgpack.Encode(msg.Msg{Name: "ann", Content: msg.Text(hello)})
	if err != nil {
		return fail("a message to send", "%v", err)
	}
	for about, raw := range map[string][]byte{
		"half a message":                     whole[:len(whole)/2],
		"a message with a byte behind it":    append(bytes.Clone(whole), 0xc0),
		"the reserved byte c1":               {0xc1},
		"a number":                           {7},
		"an array that promises 4G elements": {0xdd, 0xff, 0xff, 0xff, 0xff},
		"JSON":                               []byte(`{"content":"hello"}`),
	} {
		if f := p.isError(ctx, data(subjects.VerbReply, msg.Msgpack, string(raw)), "bad-request", about+" as msgpack"); f != nil {
			return f
		}
	}
	return nil
}
