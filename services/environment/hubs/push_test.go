package hubs_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/wire"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// foreign is an agent of a program in another language: it knows nothing of hubs, notes what it observes by request id, and
// loses acknowledgements.
type foreign struct {
	address subjects.Address

	mu    sync.Mutex
	seen  map[string]bool
	heard []string // once each
	calls int
	lose  func(call int) bool // whether the acknowledgement of a call is lost
}

func newForeign(a subjects.Address) *foreign {
	return &foreign{address: a, seen: map[string]bool{}, lose: func(int) bool { return false }}
}

// live serves the agent until the connection is closed.
func (f *foreign) live(t testing.TB, nc *nats.Conn) {
	t.Helper()
	_, err := nc.Subscribe(subjects.At("r", f.address, "*"), func(m *nats.Msg) {
		r, err := wire.Read(m)
		if strings.HasSuffix(m.Subject, ".state") {
			_ = wire.Answer(nc, m, r.Encoding, "f", msg.Msg{}, wire.ErrBadRequest)
			return
		}
		if err != nil || len(r.Msgs) != 1 || r.ID == "" {
			t.Errorf("observed %v, %d messages, id %q", err, len(r.Msgs), r.ID)
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.calls++
		if !f.seen[r.ID] {
			f.seen[r.ID] = true
			f.heard = append(f.heard, r.ID+" "+string(r.Sender)+" "+r.Msgs[0].Content.String())
		}
		if !f.lose(f.calls) {
			_ = wire.Answer(nc, m, r.Encoding, "f", msg.Msg{}, nil)
		}
	})
	require.NoError(t, err)
	require.NoError(t, nc.Flush())
}

func (f *foreign) all() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.heard...)
}

// hears waits until the agent has observed what it should, and holds that it is exactly that.
func (f *foreign) hears(t testing.TB, want []string) {
	t.Helper()
	require.Eventually(t, func() bool { return len(f.all()) >= len(want) }, 20*time.Second, 5*time.Millisecond, f.address)
	require.Equal(t, want, f.all())
}

func heard(hub string, seq uint64, from subjects.Address, text string) string {
	return fmt.Sprintf("hub:%s:%d %s %s", hub, seq, from, text)
}

// Participants that nobody delivers to are pushed to: everything between joining and leaving but their own words, in order.
// Acknowledgements are lost, the agent's program and the one server are killed and replaced meanwhile.
func TestForeignParticipantsHearEverythingOnceInOrder(t *testing.T) {
	t.Parallel() // it mostly waits
	srv := natstest.Start(t)
	server := serve(t, srv)
	c := client{srv.Connect(t), "r"}
	ann, bob, person := newForeign(subjects.CodeAddress("js", "ann")), newForeign(subjects.CodeAddress("js", "bob")), newForeign(subjects.PopulationAddress(0, 7))
	life := srv.Connect(t)
	for _, f := range []*foreign{ann, bob, person} {
		f.live(t, life)
	}
	bob.lose = func(call int) bool { return call == 3 }
	h, _ := open(t, c, "h", 0)
	_, err := h.Announce(t.Context(), text("before anyone"))
	require.NoError(t, err)
	_, err = h.Add(t.Context(), ann.address, bob.address, person.address)
	require.NoError(t, err)
	var forAnn, others []string
	say := func(n int) {
		t.Helper()
		for i := range n {
			word := fmt.Sprint("word ", len(others))
			if i%3 == 0 {
				seqs, err := h.Announce(t.Context(), text(word))
				require.NoError(t, err)
				forAnn, others = append(forAnn, heard("h", seqs[0], "", word)), append(others, heard("h", seqs[0], "", word))
				continue
			}
			seqs, err := h.As(ann.address).Broadcast(t.Context(), text(word))
			require.NoError(t, err)
			others = append(others, heard("h", seqs[0], ann.address, word))
		}
	}
	say(20)
	ann.hears(t, forAnn)
	person.hears(t, others)
	life.Close()
	say(10)
	server.Close()
	serve(t, srv)
	say(10)
	life = srv.Connect(t)
	for _, f := range []*foreign{ann, bob, person} {
		f.live(t, life)
	}
	say(5)
	bob.hears(t, others)
	ann.hears(t, forAnn)
	person.hears(t, others)
	bob.mu.Lock()
	require.Greater(t, bob.calls, len(bob.heard), "the lost acknowledgement brought a repeat")
	bob.mu.Unlock()

	_, err = h.Delete(t.Context(), bob.address)
	require.NoError(t, err)
	apart := len(others)
	say(5)
	_, err = h.Add(t.Context(), bob.address)
	require.NoError(t, err)
	back := len(others)
	say(5)
	bob.hears(t, append(others[:apart:apart], others[back:]...))
	person.hears(t, others)
	require.NoError(t, h.Close(t.Context()))
	keys := func() []string {
		kv, err := srv.JetStream(t).KeyValue(t.Context(), subjects.BucketEnv)
		require.NoError(t, err)
		l, err := kv.ListKeysFiltered(t.Context(), "=hub.>")
		require.NoError(t, err)
		var all []string
		for k := range l.Keys() {
			all = append(all, k)
		}
		return all
	}
	require.Eventually(t, func() bool { return len(keys()) == 0 }, 10*time.Second, 50*time.Millisecond, "nothing is left to do")
}

// An agent that its host does not have is taken out of the hub.
func TestAgentsThatDoNotExistAreTakenOut(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv)
	nc := srv.Connect(t)
	ann := newForeign(subjects.CodeAddress("js", "ann"))
	ann.live(t, nc)
	gone := subjects.CodeAddress("js", "gone")
	_, err := nc.Subscribe(subjects.At("r", gone, "*"), func(m *nats.Msg) { _ = wire.Answer(nc, m, msg.JSON, "js", msg.Msg{}, wire.ErrNoAgent) })
	require.NoError(t, err)
	h, _ := open(t, client{nc, "r"}, "h", 0)
	_, err = h.Add(t.Context(), gone, ann.address)
	require.NoError(t, err)
	seqs, err := h.Announce(t.Context(), text("hello"))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		in, err := h.Participants(t.Context())
		return err == nil && len(in) == 1 && in[0].Address == ann.address
	}, 10*time.Second, 20*time.Millisecond)
	ann.hears(t, []string{heard("h", seqs[0], "", "hello")})
}

// A host that reads the stream is told of the hub, once it is there, and its agents are left to it.
func TestHostsThatHearAreNotPushedTo(t *testing.T) {
	srv := natstest.Start(t)
	serve(t, srv)
	serve(t, srv)
	nc := srv.Connect(t)
	h, _ := open(t, client{nc, "r"}, "h", 0)
	ann := subjects.CodeAddress("go", "ann")
	_, err := h.Add(t.Context(), ann)
	require.NoError(t, err)
	told := make(chan string, 100)
	_, err = nc.Subscribe(subjects.HostAll("go"), func(m *nats.Msg) {
		r, err := wire.Read(m)
		if err == nil && len(r.Msgs) == 1 {
			told <- m.Subject + " " + r.Msgs[0].Content.String()
		}
		_ = wire.Answer(nc, m, r.Encoding, "go", msg.Msg{}, nil)
	})
	require.NoError(t, err)
	_, err = nc.Subscribe(subjects.CodeAll("go"), func(m *nats.Msg) {
		// Between the two subscriptions its agents may be looked for, as if it were a host in another language.
		if !strings.HasSuffix(m.Subject, "."+subjects.VerbState) {
			told <- m.Subject
		}
	})
	require.NoError(t, err)
	require.Equal(t, subjects.Host("r", "go", subjects.VerbHear)+` {"hub":"h"}`, <-told)
	_, err = h.Announce(t.Context(), text("hello"))
	require.NoError(t, err)
	_, err = h.Add(t.Context(), subjects.CodeAddress("go", "bob"), subjects.CodeAddress("late", "eve"))
	require.NoError(t, err)
	eve := newForeign(subjects.CodeAddress("late", "eve"))
	eve.live(t, nc)
	seqs, err := h.Announce(t.Context(), text("again"))
	require.NoError(t, err)
	eve.hears(t, []string{heard("h", seqs[0], "", "again")})
	require.Empty(t, told, "the host knows already, and is asked nothing else")
}

// A server that goes hands its deliveries on at once.
func TestDeliveriesAreHandedOn(t *testing.T) {
	srv := natstest.Start(t)
	nc := srv.Connect(t)
	ann := newForeign(subjects.CodeAddress("js", "ann"))
	ann.live(t, nc)
	first, _ := start(t, srv)
	h, _ := open(t, client{nc, "r"}, "h", 0)
	_, err := h.Add(t.Context(), ann.address)
	require.NoError(t, err)
	var want []string
	say := func() {
		seqs, err := h.Announce(t.Context(), text("x"))
		require.NoError(t, err)
		want = append(want, heard("h", seqs[0], "", "x"))
	}
	say()
	ann.hears(t, want)
	serve(t, srv)
	begun := time.Now()
	require.NoError(t, first.Stop(t.Context()))
	say()
	ann.hears(t, want)
	require.Less(t, time.Since(begun), 3500*time.Millisecond, "nobody had to wait for the lease to run out")
	ann.mu.Lock()
	defer ann.mu.Unlock()
	require.Equal(t, 2, ann.calls, "and nothing was carried twice")
}
