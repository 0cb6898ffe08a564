package hubs

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestOnlyTheNewestRequestIDsAreRemembered(t *testing.T) {
	var s state
	for seq := uint64(1); seq <= maxIDs+10; seq++ {
		s.apply(&record{seq: seq, kind: subjects.SaidAnnouncement, id: fmt.Sprint(seq)})
	}
	require.Len(t, s.ids, maxIDs)
	require.NotContains(t, s.ids, request{id: "10"})
	require.Equal(t, span{11, 1}, s.ids[request{id: "11"}])
}

func TestWhatWaitsIsBounded(t *testing.T) {
	s := New(nil, nil, slog.New(slog.DiscardHandler))
	s.launch = func(*hub) {} // nobody takes anything
	for range maxWaiting {
		require.NoError(t, s.tryEnqueue(&verb{run: "r", hub: "h", name: verbAnnounce}))
	}
	require.ErrorIs(t, s.tryEnqueue(&verb{run: "r", hub: "h", name: verbAnnounce}), wire.ErrCrowded)
	for i := range maxServerBytes / maxWaitingBytes {
		require.NoError(t, s.tryEnqueue(&verb{run: "r", hub: fmt.Sprint(i), bytes: maxWaitingBytes}))
		require.ErrorIs(t, s.tryEnqueue(&verb{run: "r", hub: fmt.Sprint(i), bytes: 1}), wire.ErrCrowded)
	}
	require.ErrorIs(t, s.tryEnqueue(&verb{run: "r", hub: "another", bytes: 1}), wire.ErrCrowded, "all hubs together")
	s.hubs[subjects.HubSaid("r", "0")].take()
	require.NoError(t, s.tryEnqueue(&verb{run: "r", hub: "another", bytes: 1}))
}

func TestHubsHaveBoundedParticipants(t *testing.T) {
	s := state{last: 1, created: 1, in: map[subjects.Address]uint64{}}
	for i := range maxParticipants - 1 {
		s.in[subjects.CodeAddress("h", fmt.Sprint(i))] = 1
	}
	d := newDraft(&s, nil)
	two := verb{name: verbAdd}
	require.NoError(t, two.setAddresses([]subjects.Address{"code.h.a", "code.h.b"}))
	out, ok := d.add(&two)
	require.True(t, ok)
	require.ErrorIs(t, out.err, wire.ErrTooLarge)
	require.Empty(t, d.records)
	one := verb{name: verbAdd}
	require.NoError(t, one.setAddresses([]subjects.Address{"code.h.a", "code.h.1"}))
	out, _ = d.add(&one)
	require.NoError(t, out.err)
	require.Len(t, d.records, 1)
}

func TestDutiesHaveTheirOwnKeys(t *testing.T) {
	for _, a := range []subjects.Address{subjects.CodeAddress("a.b", "c d"), subjects.PopulationAddress(3, 7)} {
		at, _ := place(a)
		run, hub, created, back, err := parseDuty(dutyKey("r.1", "", 17, at))
		require.NoError(t, err)
		require.Equal(t, []any{"r.1", "", uint64(17), at}, []any{run, hub, created, back})
	}
	_, err := subjects.Decode(strings.TrimSuffix(dutyPrefix, "."))
	require.ErrorIs(t, err, subjects.ErrToken, "no run has keys that begin like this")
	_, err = subjects.Decode(strings.Split(leaseKey, ".")[0])
	require.ErrorIs(t, err, subjects.ErrToken)
}

// Whatever is on the subject of a hub, reading it is no error, and the state stays one that can be.
func FuzzRecords(f *testing.F) {
	who, err := about("h", member{"code.h.a"})
	if err != nil {
		f.Fatal(err)
	}
	said, err := msg.Msgpack.Encode(msg.New("a", msg.RoleUser, msg.Text("hi")))
	if err != nil {
		f.Fatal(err)
	}
	for _, kind := range []string{subjects.SaidCreated, subjects.SaidJoined, subjects.SaidLeft, subjects.SaidMessage, subjects.SaidDeleted, "?"} {
		f.Add(kind, "code.h.a", "id", who, subjects.SaidJoined, said)
		f.Add(kind, "", "", said, kind, who)
	}
	f.Fuzz(func(t *testing.T, kind, sender, id string, data []byte, kind2 string, data2 []byte) {
		h := nats.Header{subjects.HeaderKind: {kind}, subjects.HeaderSender: {sender}, subjects.HeaderRequestID: {id}}
		s := state{last: 1, created: 1, in: map[subjects.Address]uint64{"code.h.b": 1}}
		first := readRecord(2, h, data)
		h.Set(subjects.HeaderKind, kind2)
		second := readRecord(3, h, data2)
		for _, r := range []record{first, second} {
			s.apply(&r)
			again := readRecord(r.seq, r.message("s").Header, r.data)
			require.Equal(t, r, again)
			if _, known, err := r.past(); known {
				require.NoError(t, err)
			}
		}
		require.Equal(t, uint64(3), s.last)
		require.Equal(t, s.created == 0, s.in == nil)
		for a := range s.in {
			require.NoError(t, a.Check())
		}
		if id != "" {
			require.Equal(t, span{2, 2}, s.ids[request{first.sender, id}])
		}
	})
}

func FuzzDuties(f *testing.F) {
	f.Add("=hub.r.h.7.host.js")
	f.Add("=hub.=.=2E.7.agent.3")
	f.Fuzz(func(t *testing.T, key string) {
		run, hub, created, at, err := parseDuty(key)
		if err != nil {
			require.ErrorIs(t, err, errKey)
			return
		}
		back, hub2, created2, at2, err := parseDuty(dutyKey(run, hub, created, at))
		require.NoError(t, err)
		require.Equal(t, []any{run, hub, created, at}, []any{back, hub2, created2, at2})
	})
}
