package actor

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// saved waits until no checkpoint of run r1 is due, and makes sure that there is one, if the stage wants any.
func (s *stage) saved(h *life) {
	s.Helper()
	if s.putAway == 0 {
		return
	}
	subject := subjects.LogCode("r1", h.cfg.Host)
	require.Eventually(s, func() bool {
		seq, err := h.checkpoints.Newest(s.Context(), subject)
		return err == nil && seq > 0
	}, waitFor, pollEvery)
}

// whole is the image that all records of run r1 give.
func (s *stage) whole(h *life) *image {
	s.Helper()
	im := newImage("r1", h.cfg)
	require.NoError(s, runlog.Read(s.Context(), s.srv.JetStream(s.TB), 0, []string{subjects.LogCode("r1", h.cfg.Host)}, im.apply))
	return im
}

// packed is an image as bytes. Answers to orders have an id and a time of their own each time they are made, which nobody sees
// twice: they are left out.
func packed(t require.TestingT, im *image) []byte {
	for _, p := range im.past {
		if p.key.agent == "" {
			p.out, p.data = nil, nil
		}
	}
	data, err := im.pack(time.Now())
	require.NoError(t, err)
	return data
}

// life of the agents of a host as a log: whatever happens in it could have.
type tale struct {
	t       *rapid.T
	names   map[string]bool // false: has a process of its own
	next    int
	numbers []int
	records []runlog.Entry
	begun   time.Time
}

func (l *tale) change() (c agent.Change) {
	if c.Reset = rapid.IntRange(0, 5).Draw(l.t, "reset") == 0; c.Reset {
		c.Window = rapid.IntRange(0, 4).Draw(l.t, "window")
	}
	for range rapid.IntRange(0, 3).Draw(l.t, "messages") {
		m := msg.Msg{ID: rapid.SampledFrom([]string{"a", "b", "c"}).Draw(l.t, "id"), Name: "n", Role: msg.RoleUser, Content: msg.Text("text")}
		c.Append = append(c.Append, &m)
	}
	return c
}

func (l *tale) entry() *entry {
	name := rapid.SampledFrom([]string{"ann", "bob", "cat"}).Draw(l.t, "agent")
	id := rapid.SampledFrom([]string{"", "1", "2", "3"}).Draw(l.t, "id")
	state := []byte(rapid.SampledFrom([]string{"x", "yy"}).Draw(l.t, "state"))
	plain, exists := l.names[name]
	switch what := rapid.IntRange(0, 9).Draw(l.t, "what"); {
	case !exists:
		for other, plain := range l.names {
			if plain && what < 4 {
				l.names[name] = true
				l.numbers = append(l.numbers, l.next)
				l.next++
				return &entry{kind: entryCloned, agent: name, id: id, number: l.next - 1, of: other}
			}
		}
		l.names[name] = what > 0
		l.numbers = append(l.numbers, l.next)
		l.next++
		return &entry{kind: entryCreated, agent: name, id: id, number: l.next - 1, of: "kind", process: what == 0, state: state, change: l.change()}
	case what == 0:
		delete(l.names, name)
		return &entry{kind: entryDeleted, agent: name, id: id}
	case what < 3:
		hub := rapid.SampledFrom([]string{"x", "y"}).Draw(l.t, "hub")
		kind := rapid.SampledFrom([]int{entryFollow, entryEnded}).Draw(l.t, "kind")
		return &entry{kind: kind, hub: hub, upto: uint64(len(l.records))}
	case what < 5 || !plain:
		n := rapid.SampledFrom(l.numbers).Draw(l.t, "number")
		return &entry{kind: entryHeard, hub: "x", upto: uint64(len(l.records)), numbers: []int{n}, change: l.change()}
	}
	e := &entry{kind: entryOutcome, agent: name, id: id, verb: "reply", change: l.change(), state: state}
	if rapid.Bool().Draw(l.t, "call") {
		e.task = fmt.Sprint("task", len(l.records))
	}
	switch rapid.IntRange(0, 2).Draw(l.t, "outcome") {
	case 0:
		e.code, e.text = "failed", "it failed"
	case 1:
		data, err := msg.Msgpack.Encode(msg.Msg{ID: "reply", Content: msg.Text(fmt.Sprint(len(l.records)))})
		require.NoError(l.t, err)
		e.reply = &piece{data: data}
	}
	return e
}

func (l *tale) tell() {
	b := newBody()
	for range rapid.IntRange(1, 4).Draw(l.t, "entries") {
		e := l.entry()
		require.NoError(l.t, e.pack())
		require.True(l.t, b.add(e))
	}
	writer := rapid.SampledFrom([]string{"life1", "life2"}).Draw(l.t, "writer")
	record, err := runlog.Encode(runlog.Header{Kind: runlog.KindCode, Run: "r1", Writer: writer}, b.bytes())
	require.NoError(l.t, err)
	n := uint64(len(l.records) + 1)
	age := rapid.SampledFrom([]time.Duration{0, 20 * time.Minute, 2 * time.Hour}).Draw(l.t, "age")
	l.records = append(l.records, runlog.Entry{Subject: subjects.LogCode("r1", "h1"), Seq: n, Time: l.begun.Add(-age), Data: record})
}

// Wherever a log is cut: what a checkpoint holds of the first part and the records of the second give what all records give.
func TestImageAndTail(t *testing.T) {
	cfg, err := Config{Host: "h1", Incarnation: "i"}.complete()
	require.NoError(t, err)
	begun := time.Now()
	rapid.Check(t, func(t *rapid.T) {
		l := &tale{t: t, names: map[string]bool{}, begun: begun}
		for range rapid.IntRange(1, 20).Draw(t, "records") {
			l.tell()
		}
		cut := rapid.IntRange(0, len(l.records)).Draw(t, "cut")
		all, some := newImage("r1", cfg), newImage("r1", cfg)
		for _, r := range l.records {
			require.NoError(t, all.apply(r))
		}
		for _, r := range l.records[:cut] {
			require.NoError(t, some.apply(r))
		}
		data, err := some.pack(begun)
		require.NoError(t, err)
		some, err = unpackImage("r1", cfg, some.seq, data)
		require.NoError(t, err)
		again, err := some.pack(begun)
		require.NoError(t, err)
		require.Equal(t, data, again, "equal images, equal bytes")
		for _, r := range l.records { // those it has are left out
			require.NoError(t, some.apply(r))
		}
		require.Equal(t, all.seq, some.seq)
		require.Equal(t, packed(t, all), packed(t, some))
	})
}

// The oldest requests are forgotten, and results that are too old, but nothing else.
func TestAnImageForgets(t *testing.T) {
	cfg, err := Config{Host: "h1", Incarnation: "i", KeepBytes: 10 * (outcomeBytes + 2)}.complete()
	require.NoError(t, err)
	im := newImage("r1", cfg)
	now := time.Now()
	for i := range 50 {
		im.note(&past{run: "r1", seq: uint64(i), at: now.Add(time.Duration(i-50) * time.Minute), key: key{"r1", "", fmt.Sprintf("%02d", i)}, writer: "w", task: fmt.Sprint(i)})
	}
	im.prune(now)
	require.Len(t, im.known, 10)
	require.Contains(t, im.known, key{"r1", "", "49"})
	tasks := 0
	for _, p := range im.past {
		if p.task != "" {
			tasks++
		}
	}
	require.Equal(t, 9, tasks, "of the last ten minutes")
}

// Hosts that put their agents away all the time and are killed at any moment: whoever comes back has what was answered, once,
// and reads little of the log.
func TestCheckpointsAndKills(t *testing.T) {
	t.Parallel() // it mostly waits
	s := newStage(t)
	s.putAway = 3
	const lives, callers, each = 4, 4, 10
	h := s.host("h1", kinds())
	c := s.client()
	for a := range callers {
		s.create(c, "h1", fmt.Sprint("a", a), "counter")
	}
	var said [callers]int
	var answered atomic.Int64
	for life := range lives {
		var all sync.WaitGroup
		for a := range callers {
			all.Go(func() {
				for range each {
					ctx := agent.WithRequestID(t.Context(), fmt.Sprint(said[a]))
					for { // until it is done, once
						try, end := context.WithTimeout(ctx, 500*time.Millisecond)
						_, err := c.Reply(try, subjects.CodeAddress("h1", fmt.Sprint("a", a)), say("more"))
						end()
						if err == nil {
							said[a]++
							answered.Add(1)
							break
						}
						if t.Context().Err() != nil {
							return
						}
					}
				}
			})
		}
		if life%2 == 0 { // in the middle of it
			enough := int64(callers*each*life + rand.IntN(callers*each*3/4))
			require.Eventually(t, func() bool { return answered.Load() >= enough }, waitFor, time.Millisecond)
			h.crash(t)
			h = s.host("h1", kinds())
		}
		all.Wait()
		h.crash(t)
		h = s.host("h1", kinds())
		require.Less(t, h.runs["r1"].journal.tail.Records(), s.records("h1"))
		im, err := h.image(t.Context(), subjects.LogCode("r1", "h1"))
		require.NoError(t, err)
		require.Equal(t, packed(t, s.whole(h)), packed(t, im))
	}
	for a := range callers {
		require.Equal(t, lives*each, said[a])
		out, err := c.Reply(t.Context(), subjects.CodeAddress("h1", fmt.Sprint("a", a)), say("how many?"))
		require.NoError(t, err)
		require.Equal(t, lives*each+1, number(t, out))
	}
}

// A damaged checkpoint is not used, and the agents come back all the same.
func TestDamagedCheckpoints(t *testing.T) {
	s := newStage(t)
	s.putAway = 2
	h := s.host("h1", kinds())
	c := s.client()
	a := s.create(c, "h1", "a", "counter")
	for range 20 {
		_, err := c.Reply(t.Context(), a, say("more"))
		require.NoError(t, err)
	}
	s.saved(h)
	h.crash(t)
	js := s.srv.JetStream(t)
	files, err := js.ObjectStore(t.Context(), subjects.StoreFiles)
	require.NoError(t, err)
	list, err := files.List(t.Context())
	require.NoError(t, err)
	parts, err := js.Stream(t.Context(), "OBJ_"+subjects.StoreFiles)
	require.NoError(t, err)
	for _, o := range list {
		subject := "$O." + subjects.StoreFiles + ".C." + o.NUID
		m, err := parts.GetLastMsgForSubject(t.Context(), subject)
		require.NoError(t, err)
		require.NoError(t, parts.Purge(t.Context(), jetstream.WithPurgeSubject(subject)))
		m.Data[len(m.Data)/2] ^= 1
		_, err = js.Publish(t.Context(), subject, m.Data)
		require.NoError(t, err)
	}
	h = s.host("h1", kinds())
	require.Equal(t, s.records("h1"), h.runs["r1"].journal.tail.Records(), "the whole log was read")
	out, err := c.Reply(t.Context(), a, say("more"))
	require.NoError(t, err)
	require.Equal(t, 21, number(t, out))
}

// What is no image is refused, whatever it is.
func FuzzImage(f *testing.F) {
	cfg, err := Config{Host: "h1", Incarnation: "i"}.complete()
	require.NoError(f, err)
	im := newImage("r1", cfg)
	m := say("hello")
	a := im.add(&still{name: "ann", kind: "k", number: 3, state: []byte("s")})
	a.memory.Append(m, m)
	im.hubs["x"] = &cursors{follows: true, begin: 4, upto: map[int]uint64{3: 7, 4: 7}}
	im.lives["life"] = time.Now()
	im.note(&past{run: "r1", seq: 9, at: time.Now(), key: key{"r1", "ann", "id"}, writer: "life", task: "t", out: &m})
	data, err := im.pack(time.Now())
	require.NoError(f, err)
	f.Add(data)
	f.Add(data[:len(data)/2])
	f.Fuzz(func(t *testing.T, data []byte) {
		im, err := unpackImage("r1", cfg, 1, data)
		if err != nil {
			require.True(t, errors.Is(err, runlog.ErrDamaged) || errors.Is(err, runlog.ErrVersion), "%v", err)
			return
		}
		_, err = im.pack(time.Now())
		require.NoError(t, err)
	})
}
