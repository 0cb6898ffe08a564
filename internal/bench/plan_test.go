package bench

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"
)

func planned(t *testing.T, o Options) []string {
	t.Helper()
	jobs, err := plan(o)
	require.NoError(t, err)
	var out []string
	for _, j := range jobs {
		out = append(out, j.String())
	}
	return out
}

// What is compared with each other is measured one after the other, not minutes apart.
func TestPlanGoesBySize(t *testing.T) {
	require.Equal(t, []string{
		"goroutines, 10 agents", "asyncio, 10 agents", "run, 10 agents", "tcp, 10 agents", "zero, 10 agents",
		"goroutines, 2,000 agents", "asyncio, 2,000 agents", "run, 2,000 agents", "tcp, 2,000 agents", "zero, 2,000 agents",
		"broker", "log", "levelk, 2,000 agents",
	}, planned(t, Options{Sizes: []int{2000, 10, 2000}}))
	require.Equal(t, []string{"run, 10 agents", "log"}, planned(t, Options{Sizes: []int{10}, Only: []string{"log", "run"}, Full: true}))
	require.Contains(t, planned(t, Options{Sizes: []int{1000, 10_000_000}}), "levelk, 1,000,000 agents")
}

func TestPlanOfScaleOut(t *testing.T) {
	require.NotContains(t, fmt.Sprint(planned(t, Options{Sizes: []int{10}})), "scaleout")
	want := []string{
		"scaleout, 40,960 agents, hosts: 1", "scaleout, 40,960 agents, hosts: 2",
		"scaleout, 10,240 agents, hosts: 1", "scaleout, 20,480 agents, hosts: 2", "scaleout, 40,960 agents, hosts: 4",
	}
	require.Equal(t, want, planned(t, Options{Sizes: []int{scaleAgents}, Only: []string{"scaleout"}}))
	require.Subset(t, planned(t, Options{Sizes: []int{10}, Full: true}), want)
}

func TestPlanRefuses(t *testing.T) {
	for _, o := range []Options{{}, {Sizes: []int{0}}, {Sizes: []int{1}, Only: []string{"speed"}}} {
		_, err := plan(o)
		require.ErrorIs(t, err, ErrOption)
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int{"1": 1, "200": 200, "10k": 10_000, "3M": 3_000_000, "1000M": 1_000_000_000} {
		n, err := ParseSize(text)
		require.NoError(t, err)
		require.Equal(t, want, n)
	}
	for _, text := range []string{"", "k", "0", "-1k", "1.5M", "1m", "10 k", "1001M", "99999999999999999999"} {
		_, err := ParseSize(text)
		require.ErrorIs(t, err, ErrOption, text)
	}
}

func TestForesee(t *testing.T) {
	job := func(name string, agents int) job {
		for _, p := range parts {
			if p.name == name {
				return job{part: p, agents: agents}
			}
		}
		require.FailNow(t, "no such part", name)
		return job{}
	}
	const gib = 1 << 30
	r := &Report{}
	require.Empty(t, r.foresee(job("goroutines", 4_000_000), 24*gib))
	require.Contains(t, r.foresee(job("goroutines", 10_000_000), 24*gib), "27.0 GB of memory")
	require.Contains(t, r.foresee(job("asyncio", 10_000_000), 64*gib), "would take about 150 s")
	require.Empty(t, r.foresee(job("run", 10_000_000), gib), "nothing is known of it yet")

	// What was measured counts more than what is usual, if it was large enough to tell.
	r.Results = []Result{
		{Part: "run", Agents: 1_000, Samples: []Figures{{Peak: gib}}},
		{Part: "goroutines", Agents: 1_000_000, Samples: []Figures{{Peak: 3 * gib}}},
		{Part: "asyncio", Agents: 1_000_000, Samples: []Figures{{Peak: gib, Seconds: 5}}},
	}
	require.Empty(t, r.foresee(job("run", 10_000_000), gib))
	require.Contains(t, r.foresee(job("goroutines", 10_000_000), 24*gib), "32.2 GB of memory")
	require.Empty(t, r.foresee(job("asyncio", 10_000_000), 64*gib))
	require.Contains(t, r.foresee(job("asyncio", 10_000_000), gib), "15.0 GB of memory", "not less than usual")
	r.Results = append(r.Results, Result{Part: "run", Agents: 100_000, Samples: []Figures{{Peak: gib, Seconds: 60}}})
	require.Contains(t, r.foresee(job("run", 10_000_000), 24*gib), "107 GB of memory")
	require.Empty(t, r.foresee(job("run", 1_000_000), 24*gib), "Myriad is measured however long it takes")
	r.Results = append(r.Results, Result{Part: "run", Agents: 1_000_000, Samples: []Figures{{Peak: gib}}})
	require.Empty(t, r.foresee(job("run", 10_000_000), 24*gib), "the nearest size tells best")
	require.Empty(t, r.foresee(job("run", 50_000), gib))
}
