package actor

import (
	"reflect"

	"github.com/myriad-sim/myriad/pkg/msg"
)

// share replaces, in a change of memory, copies of messages that were said in a hub by the messages themselves: what a thousand
// agents remember is then in memory once, and in the log once. It reports whether there were copies.
func (e *entry) share() (copies bool) {
	e.pieces = make([]*piece, len(e.change.Append))
	at := 0
	for i, m := range e.change.Append {
		for ahead := at; ahead < len(e.said); ahead++ {
			u := e.said[ahead]
			if u.m != m && !same(u.m, m) {
				continue
			}
			copies = copies || u.m != m
			e.change.Append[i], e.pieces[i], at = u.m, &u.piece, ahead+1
			break
		}
	}
	return copies
}

// same reports whether a message is a copy of another. It does not look into data: copies share it.
func same(a, b *msg.Msg) bool {
	return a.ID == b.ID && a.Name == b.Name && a.Role == b.Role && a.Time.Equal(b.Time) && a.Placeholder == b.Placeholder &&
		len(a.URLs) == len(b.URLs) && (len(a.URLs) == 0 || &a.URLs[0] == &b.URLs[0]) &&
		reflect.ValueOf(a.Metadata).Pointer() == reflect.ValueOf(b.Metadata).Pointer() && sameContent(a.Content, b.Content)
}

func sameContent(a, b msg.Content) bool {
	if a.Kind() != b.Kind() {
		return false
	}
	if a.Kind() == msg.KindData {
		x, y := reflect.ValueOf(a).Field(0).Elem(), reflect.ValueOf(b).Field(0).Elem()
		if k := x.Kind(); k == reflect.Map || k == reflect.Slice {
			return y.Kind() == k && x.Pointer() == y.Pointer() && x.Len() == y.Len()
		}
	}
	return a == b
}
