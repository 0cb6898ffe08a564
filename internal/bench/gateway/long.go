package gateway

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/myriad-sim/myriad/internal/bench"
)

const (
	holdServers = 2
	holdTakes   = 20 * time.Second // a call
	holdFiles   = 1000             // that a process needs beside connections of calls
)

// The cases of the part hold.
const (
	holdBatches = "batches"
	holdSingles = "single calls"
)

// hold keeps as many calls at servers as one process is given, for a minute. Single calls need a connection each, so
// that their number is bounded by the files that a process may have open.
func (l *lab) hold() []measurement {
	calls, during, takes := 25_600, time.Minute, holdTakes // 50 batches of 512, the most that the gateway makes
	if l.quick {
		calls, during, takes = 1_000, time.Second, 400*time.Millisecond
	}
	one := func(name string, n int, flags ...string) measurement {
		flags = append([]string{
			"--per-token", (takes / answerTokens).String(), "--max-num-seqs", strconv.Itoa(calls), "--cache-blocks", strconv.Itoa(64 * calls),
		}, flags...)
		return measurement{part: holdPart, name: name, once: true, measure: func(ctx context.Context) (bench.Figures, error) {
			return l.on(ctx, setup{servers: holdServers, flags: flags, proxy: true}, func(b *bed) (bench.Figures, error) {
				in := through(n / holdServers)
				in.InFlight = n + 4*hostRequest // calls always wait for a place
				in.For = during
				return b.load(ctx, in)
			})
		}}
	}
	return []measurement{
		one(holdBatches, calls),
		one(holdSingles, min(calls, files()-holdFiles), noBatch...),
	}
}

const (
	answerTokens    = 2 // of a number from 0 to 100, with the one that ends it
	latencyInFlight = 1000
)

// latencyTakes are how long calls take whose time is measured. Short ones come at a rate that keeps the cores busy.
var latencyTakes = []time.Duration{time.Second, 200 * time.Millisecond}

// The ways of the part latency.
const (
	paced  = "one by one"
	bursts = "many in a request"
)

// latencyName is the case of calls that come in a way and take a time.
func latencyName(who, way string, takes time.Duration) string {
	return fmt.Sprintf("%s, %s, %v", who, way, takes)
}

// latency measures how long calls take at a steady rate, at which 1,000 are in flight.
func (l *lab) latency() []measurement {
	inFlight, burst, during := latencyInFlight, hostRequest, 8*time.Second
	if l.quick {
		inFlight, burst, during = 100, 50, time.Second
	}
	var out []measurement
	for _, takes := range latencyTakes {
		flags := append([]string{"--per-token", (takes / answerTokens).String(), "--max-num-seqs", "65536", "--cache-blocks", "1000000"}, noBatch...)
		one := func(who, way string, proxy bool, in Load) {
			in.Rate, in.InFlight, in.Places = float64(inFlight)/takes.Seconds(), 8*inFlight, 8*inFlight
			out = append(out, measurement{part: latencyPart, name: latencyName(who, way, takes), measure: func(ctx context.Context) (bench.Figures, error) {
				return l.on(ctx, setup{servers: 1, flags: flags, proxy: proxy}, func(b *bed) (bench.Figures, error) {
					in := l.times(in)
					in.For = during
					return b.load(ctx, in)
				})
			}})
		}
		one(directName, paced, false, Load{Kind: byHTTP, Burst: 1})
		one(gatewayName, paced, true, Load{Kind: byGateway, Request: 1})
		if takes == latencyTakes[0] {
			one(directName, bursts, false, Load{Kind: byHTTP, Burst: burst})
			one(gatewayName, bursts, true, Load{Kind: byGateway, Request: burst})
		}
	}
	return out
}

// Agents of the part affinity: each group has a system prompt of its own.
const (
	groups      = 10
	groupAgents = 100
	cachedPart  = 6 // of the prompts of groups, that the cache of a server has room for
	groupRounds = 8
	mixedCalls  = 32 // in flight, when calls of all groups come mixed
)

// The ways of the part affinity.
const (
	asBatches = "a group in a request, batches"
	asSingles = "a group in a request, single calls"
	asMixed   = "a call in a request, groups mixed"
)

// affinity plays rounds of groups on two servers whose caches hold 6 of 10 prompts.
func (l *lab) affinity() []measurement {
	blocks := cachedPart * len(persona(0)) / 4 / 16
	var out []measurement
	for _, way := range []struct {
		name  string
		flags []string
		in    Load
	}{
		{asBatches, nil, Load{Request: groupAgents}},
		{asSingles, noBatch, Load{Request: groupAgents}},
		{asMixed, noBatch, Load{Request: 1, InFlight: mixedCalls}},
	} {
		way.in.Kind, way.in.Groups, way.in.Agents, way.in.Rounds = byRounds, groups, groupAgents, groupRounds
		if l.quick {
			way.in.Rounds = 2
		}
		for _, together := range []bool{true, false} {
			flags := append([]string{"--cache-blocks", strconv.Itoa(blocks), "--prefill", "10us", "--per-token", "5ms"}, way.flags...)
			s := setup{servers: 2, flags: flags, proxy: true, env: []string{fmt.Sprintf("MYRIAD_LLMPROXY_AFFINITY=%t", together)}}
			out = append(out, measurement{part: affinityPart, name: affinityName(way.name, together), measure: func(ctx context.Context) (bench.Figures, error) {
				return l.on(ctx, s, func(b *bed) (bench.Figures, error) { return b.load(ctx, way.in) })
			}})
		}
	}
	return out
}

func affinityName(way string, together bool) string {
	if together {
		return way + ", affinity"
	}
	return way + ", round robin"
}
