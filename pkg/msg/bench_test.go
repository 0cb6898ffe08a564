package msg_test

import (
	"bytes"
	"testing"
	"time"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// benchMsgs are what programs send each other most: a text with a word about it, data, and a promise.
func benchMsgs(b *testing.B) map[string]msg.Msg {
	data, err := msg.Data(map[string]any{"function": "incr", "args": map[string]any{"by": 3, "who": "ann", "odds": 0.25, "tags": []any{"a", "b"}}})
	if err != nil {
		b.Fatal(err)
	}
	promise := &msg.Placeholder{Run: "r1", Producer: "h1.7f3a", ID: "GCZ2ILCW4HLQXSYCJXE3MVVSGJ", Expires: time.Unix(9, 0)}
	return map[string]msg.Msg{
		"text": {
			ID: "GCZ2ILCW4HLQXSYCJXE3MVVSGJ", Name: "ann", Role: msg.RoleUser, Content: msg.Text("I would say about thirty-three."),
			Metadata: map[string]any{"round": 3}, Time: time.Unix(7, 0),
		},
		"bare":    {ID: "GCZ2ILCW4HLQXSYCJXE3MVVSGJ", Name: "ann", Role: msg.RoleUser, Content: msg.Text("33"), Time: time.Unix(7, 0)},
		"data":    {ID: "GCZ2ILCW4HLQXSYCJXE3MVVSGJ", Name: "ann", Role: msg.RoleUser, Content: data, Time: time.Unix(7, 0)},
		"promise": {ID: "GCZ2ILCW4HLQXSYCJXE3MVVSGJ", Name: "ann", Role: msg.RoleAssistant, Time: time.Unix(7, 0), Placeholder: promise},
	}
}

func BenchmarkEncode(b *testing.B) {
	for name, m := range benchMsgs(b) {
		for form, e := range map[string]msg.Encoding{"msgpack": msg.Msgpack, "json": msg.JSON} {
			b.Run(name+"/"+form, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := e.Encode(m); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	for name, m := range benchMsgs(b) {
		for form, e := range map[string]msg.Encoding{"msgpack": msg.Msgpack, "json": msg.JSON} {
			data, err := e.Encode(m)
			if err != nil {
				b.Fatal(err)
			}
			b.Run(name+"/"+form, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if _, err := e.Decode(data); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}

func BenchmarkList(b *testing.B) {
	var list []msg.Msg
	for range 32 {
		list = append(list, benchMsgs(b)["text"])
	}
	data, err := msg.Msgpack.EncodeList(list)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := msg.Msgpack.EncodeList(list); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := msg.Msgpack.DecodeList(data); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// A message inside of a record, as logs and memories hold it.
func BenchmarkInside(b *testing.B) {
	m := benchMsgs(b)["text"]
	data, err := msgpack.Marshal(m)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("encode", func(b *testing.B) {
		b.ReportAllocs()
		var out bytes.Buffer
		enc := msgpack.NewEncoder(&out)
		for b.Loop() {
			out.Reset()
			if err := m.EncodeMsgpack(enc); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		in := bytes.NewReader(data)
		dec := msgpack.NewDecoder(in)
		for b.Loop() {
			in.Reset(data)
			var got msg.Msg
			if err := got.DecodeMsgpack(dec); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkData(b *testing.B) {
	v := map[string]any{"by": 3, "who": "ann", "odds": 0.25, "tags": []any{"a", "b"}}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := msg.Data(v); err != nil {
			b.Fatal(err)
		}
	}
}
