package main

import (
	"context"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/internal/report"
	"github.com/myriad-sim/myriad/internal/runlog"
	"github.com/myriad-sim/myriad/internal/usage"
	"github.com/myriad-sim/myriad/pkg/scenario"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func usageBucket(t *testing.T) (jetstream.JetStream, jetstream.KeyValue) {
	t.Helper()
	js := natstest.Start(t).JetStream(t)
	kv, err := js.KeyValue(t.Context(), subjects.BucketUsage)
	require.NoError(t, err)
	return js, kv
}

// ended is a run on one model that is just over.
func ended(provider string) *runlog.State {
	return &runlog.State{Run: "r1", EndedAt: time.Now(), Scenario: &scenario.Scenario{Models: []scenario.Model{{Name: "m", Provider: provider}}}}
}

// What llmproxies book after the end of a run is in its receipt.
func TestTheReceiptWaitsForTheAccount(t *testing.T) {
	js, kv := usageBucket(t)
	book := usage.NewBook(kv, "w", slog.New(slog.DiscardHandler))
	require.NoError(t, book.Start(t.Context()))
	defer func() { require.NoError(t, book.Stop(context.WithoutCancel(t.Context()))) }()
	scr := &screen{text: &strings.Builder{}, width: 80}
	sum := report.Summary{Rounds: []report.Round{{TokensIn: 10, TokensOut: 5}}, Receipt: report.Receipt{TokensIn: 10, TokensOut: 5}}
	book.Add("r1", "m", usage.Use{Calls: 2, Retries: 1, TokensIn: 12, TokensOut: 5, Micros: 90})
	scr.spent(t.Context(), js, ended("openai"), &sum)
	require.Equal(t, report.Receipt{Retries: 1, TokensIn: 12, TokensOut: 5, Money: "0.00009"}, sum.Receipt)
}

func TestAnAccountThatIsNotThere(t *testing.T) {
	js, kv := usageBucket(t)
	out := &strings.Builder{}
	scr := &screen{text: out, width: 80}
	whole := report.Summary{Rounds: []report.Round{{TokensIn: 10}}, Receipt: report.Receipt{TokensIn: 10}}
	long := ended("openai")
	long.EndedAt = time.Now().Add(-time.Hour)
	sum := whole
	scr.spent(t.Context(), js, long, &sum)
	require.Equal(t, whole, sum, "nobody books any more what a run used long ago")
	require.Empty(t, out.String())

	_, err := kv.PutString(t.Context(), subjects.Encode("r1"), "{")
	require.NoError(t, err)
	scr.spent(t.Context(), js, ended("levelk"), &sum)
	require.Empty(t, out.String(), "behavioural players cost nothing")
	scr.spent(t.Context(), js, ended("openai"), &sum)
	require.Equal(t, whole, sum)
	require.Contains(t, out.String(), "What was spent beside the answers is not known: ")
}
