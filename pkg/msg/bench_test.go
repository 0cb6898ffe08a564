package msg_test

import (
	"testing"
	"time"

	"github.com/myriad-sim/myriad/pkg/msg"
)

func BenchmarkEncodeDecode(b *testing.B) {
	m := msg.Msg{
		ID: "m1", Name: "ann", Role: msg.RoleUser, Content: msg.Text("I would say about thirty-three."),
		Metadata: map[string]any{"round": 3}, Time: time.Unix(7, 0),
	}
	for name, e := range map[string]msg.Encoding{"msgpack": msg.Msgpack, "json": msg.JSON} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				data, err := e.Encode(m)
				if err != nil {
					b.Fatal(err)
				}
				if _, err := e.Decode(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
