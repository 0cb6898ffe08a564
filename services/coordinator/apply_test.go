package coordinator

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/hosts"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/stats"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// offline is the driver of a run with an open round, without a broker: it can take no step that decides anything.
func offline(t testing.TB, agents, shardSize int) *driver {
	t.Helper()
	d := newDriver(&Service{log: natstest.Logger(t)}, "r1", false)
	source := strings.Replace(game, "size: 4", fmt.Sprintf("size: %d", agents), 1)
	created := runlog.Created{Name: "guess", File: "game.yaml", Source: []byte(source), Agents: agents, ShardSize: shardSize}
	record(t, d, subjects.KindCreated, 0, 0, created)
	record(t, d, subjects.KindPopulated, 0, 0, runlog.Populated{Population: "p"})
	record(t, d, subjects.KindLease, 0, 1, runlog.Lease{Host: "h", Incarnation: "gone", Ranges: []runlog.Range{{First: 0, End: d.fold.Shards()}}})
	record(t, d, subjects.KindOpened, 1, 0, runlog.Opened{})
	d.live = true
	return d
}

func record(t testing.TB, d *driver, kind string, round int, epoch uint64, body any) {
	t.Helper()
	data, err := runlog.Encode(runlog.Header{Kind: kind, Run: d.id, Round: round, Epoch: epoch}, body)
	require.NoError(t, err)
	_, err = d.fold.Apply(runlog.Entry{Subject: subjects.LogCtl(d.id, kind), Seq: d.fold.Seq + 1, Time: time.Now(), Data: data})
	require.NoError(t, err)
}

func answerOf(t testing.TB, d *driver, agent int) runlog.Entry {
	t.Helper()
	shard := agent / d.fold.Created.ShardSize
	data, err := runlog.EncodeAnswers(runlog.Header{Run: d.id, Round: 1, Writer: "h", Epoch: 1}, &runlog.Answers{
		Shard: shard, Agents: []int{agent}, Status: []stats.Status{stats.Answered}, Values: []int64{1}, Text: []string{"1"}, TokensIn: []uint32{1},
		TokensOut: []uint32{1}, Calls: []uint8{1}, Retries: []uint8{0}, PromptSHA: []uint64{1}, Model: []string{"player"}, Served: []string{""},
	})
	require.NoError(t, err)
	return runlog.Entry{Subject: subjects.LogAnswer(d.id, shard), Seq: d.fold.Seq + 1, Time: time.Now(), Data: data}
}

// A step looks at every shard, so it is not taken for every answer, but for the last of a round. A late one calls for none.
func TestStepsAreTakenWhenTheyMayDecide(t *testing.T) {
	d := offline(t, 4, 2)
	for agent := range 3 {
		require.NoError(t, d.apply(t.Context(), answerOf(t, d, agent)))
	}
	// The first thing that a step does is to look for hosts, of which there is no observer.
	require.Panics(t, func() { _ = d.apply(t.Context(), answerOf(t, d, 3)) })
	require.True(t, d.fold.Complete())
	require.NoError(t, d.apply(t.Context(), answerOf(t, d, 0)))
}

// BenchmarkLease is what the poke of each second costs a run of ten million agents.
func BenchmarkLease(b *testing.B) {
	d := offline(b, 4, 2)
	d.fold.Grants = nil
	v := &hosts.View{Settled: true, Gathered: true}
	for host := range 8 {
		name := fmt.Sprint("host", host)
		v.Hosts = append(v.Hosts, hosts.Living{Beat: hosts.Beat{ID: name, Incarnation: name}})
		for range 1225 {
			d.fold.Grants = append(d.fold.Grants, runlog.Grant{Host: name, Incarnation: name, Epoch: 1})
		}
	}
	now := time.Now()
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := d.lease(v, now); ok {
			b.Fatal("every shard has an owner")
		}
	}
}
