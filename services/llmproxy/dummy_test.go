package llmproxy

import (
	"encoding/json"
	"math"
	"runtime"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

var dummyModel = scenario.Model{Name: "player", Provider: "dummy"}

func TestDummyIsUniformInRange(t *testing.T) {
	s := start(t, fast(t))
	var list []float64
	for round := range 10 {
		f := numberFacts(20, 30)
		f.Round = round + 1
		got := s.ask(t, request(t, dummyModel, f, 1000))
		require.Equal(t, 1, got.messages, "1000 calls share a message")
		for _, text := range got.text {
			list = append(list, number(t, text))
			require.LessOrEqual(t, len(text), len("20.123456"))
		}
	}
	require.True(t, slices.Min(list) >= 20 && slices.Max(list) <= 30)
	mean, se := moments(list)
	require.InDelta(t, 25, mean, 3*se)
	require.InDelta(t, 10/math.Sqrt(12), se*math.Sqrt(10_000), 0.1)
}

func TestDummyIsKeyed(t *testing.T) {
	s := start(t, fast(t))
	f := numberFacts(0, 100)
	base := s.ask(t, request(t, dummyModel, f, 20)).text
	require.Equal(t, base, s.ask(t, request(t, dummyModel, f, 20)).text)
	again := request(t, dummyModel, f, 20)
	for i := range again.Calls {
		again.Calls[i].Attempt = 1
	}
	require.NotEqual(t, base, s.ask(t, again).text)
	for _, change := range []func(*llm.Facts){
		func(f *llm.Facts) { f.Seed = 8 }, func(f *llm.Facts) { f.Round = 2 }, func(f *llm.Facts) { f.Question = "other" },
	} {
		other := *f
		change(&other)
		require.NotEqual(t, base, s.ask(t, request(t, dummyModel, &other, 20)).text)
	}
}

func TestDummyAnswersEveryType(t *testing.T) {
	s := start(t, fast(t))
	ask := func(f llm.Facts) map[string]int {
		f.Seed, f.Round, f.Question, f.Min, f.Max = 7, 1, "q", math.NaN(), math.NaN()
		counts := map[string]int{}
		for _, text := range s.ask(t, request(t, dummyModel, &f, 600)).text {
			counts[text]++
		}
		return counts
	}
	choices := ask(llm.Facts{Type: scenario.TypeChoice, Choices: []string{"red", "green", "blue"}})
	require.Len(t, choices, 3)
	require.InDelta(t, 200, choices["red"], 60)
	points := ask(llm.Facts{Type: scenario.TypeLikert, Points: 5})
	require.Len(t, points, 5)
	for p := range points {
		v, err := strconv.Atoi(p)
		require.NoError(t, err)
		require.True(t, v >= 1 && v <= 5)
	}
	for text := range ask(llm.Facts{Type: scenario.TypeJSON}) {
		require.True(t, json.Valid([]byte(text)), text)
	}
	require.Greater(t, len(ask(llm.Facts{Type: scenario.TypeText})), 500)
	for text := range ask(llm.Facts{Type: scenario.TypeNumber}) {
		v := number(t, text)
		require.True(t, v >= 0 && v <= 100, "without bounds it says 0 to 100")
	}
}

func TestDummyRefusesImpossibleFacts(t *testing.T) {
	s := start(t, fast(t))
	for _, f := range []llm.Facts{
		{Type: scenario.TypeNumber, Min: 5, Max: 4}, {Type: scenario.TypeChoice}, {Type: scenario.TypeLikert}, {Type: "essay"},
	} {
		require.Contains(t, s.ask(t, request(t, dummyModel, &f, 1)).refused, "bad facts")
	}
}

func TestDummyTakesItsTimeWithoutGoroutines(t *testing.T) {
	s := start(t, fast(t))
	m := dummyModel
	m.Latency = int64(3 * time.Second)
	payload, err := llm.EncodeRequest(request(t, m, numberFacts(0, 100), 256))
	require.NoError(t, err)
	before := runtime.NumGoroutine()
	began := time.Now()
	const requests = 100
	sub := s.send(t, payload)
	for range requests - 1 {
		require.NoError(t, s.nc.PublishRequest("myriad.llm.player.chat", sub.Subject, payload))
	}
	until(t, func() bool { return accepted(s.svc) == requests*256 }, "accepted")
	require.Less(t, runtime.NumGoroutine(), before+20, "25,600 calls are in flight")
	for done := 0; done < requests; {
		if next(t, sub).Done {
			done++
		}
	}
	require.GreaterOrEqual(t, time.Since(began), 3*time.Second)
	require.Zero(t, accepted(s.svc))
}

// What is written reads back within half a millionth, in plain digits, and never outside the bounds.
func TestNumbersAreWrittenPlainly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.Float64Range(-1e7, 1e7).Draw(t, "lo")
		hi := lo + rapid.Float64Range(0, 1e6).Draw(t, "width")
		v := min(max(lo+(hi-lo)*rapid.Float64Range(0, 1).Draw(t, "at"), lo), hi)
		text := string(appendNumber(nil, v, lo, hi))
		got, err := strconv.ParseFloat(text, 64)
		require.NoError(t, err)
		require.InDelta(t, v, got, 1e-6)
		require.True(t, got >= lo && got <= hi)
		require.NotContains(t, text, "e")
	})
	for v, want := range map[float64]string{0: "0", 50: "50", 33.5: "33.5", -0.25: "-0.25", 1e-6: "0.000001", 2. / 3: "0.666667", 1e12: "1000000000000"} {
		require.Equal(t, want, string(appendNumber(nil, v, math.NaN(), math.NaN())))
	}
	require.Equal(t, "0.666666", string(appendNumber(nil, 2./3, 0, 2./3)), "not rounded across the bound")
}
