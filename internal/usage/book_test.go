package usage

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/llm"
	"github.com/myriad-sim/myriad/internal/natstest"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

func TestACallIsReservedSettledAndBooked(t *testing.T) {
	kv := bucket(t, natstest.Start(t))
	b := openBook(t, kv, "w1")
	budget := llm.Budget{Seq: 4, Run: llm.Cap{Tokens: 1000, Micros: 500}, Model: llm.Cap{Tokens: 800}}
	h := hold(t, b, "r", "m", budget, Amount{Tokens: 100, Micros: 50})
	a := account(t, kv, "r")
	require.GreaterOrEqual(t, a.Held().Tokens, uint64(100), "the slice is in the entry before anything is spent")
	require.GreaterOrEqual(t, a.Held().Micros, uint64(50))
	require.Equal(t, Caps{Run: Cap{Seq: 4, Tokens: 1000, Micros: 500}, Models: map[string]Cap{"m": {Seq: 4, Tokens: 800}}}, a.Caps)
	require.Zero(t, a.Total())
	u := Use{Calls: 1, Retries: 2, Hedges: 3, Shared: 4, TokensIn: 20, TokensOut: 10, Unreported: 5, Micros: 17}
	h.Settle(u)
	h.Settle(u) // a second one does nothing
	stop(t, b)
	a = account(t, kv, "r")
	require.Equal(t, u, a.Models["m"])
	require.Equal(t, "EUR", a.Currency)
	require.Equal(t, u, a.Total())
	require.Zero(t, a.Held())
	require.Empty(t, a.Slices)
	require.InDelta(t, 35.0/800, a.Share(), 1e-9)
}

func TestTheCapIsReachedExactlyAndThenSaysWhich(t *testing.T) {
	t.Parallel()
	kv := bucket(t, natstest.Start(t))
	b := openBook(t, kv, "w1")
	for range 10 {
		hold(t, b, "r", "m", caps(1, 1000), tokens(100)).Settle(used(100))
	}
	spent := refused(t, b, "r", "m", caps(1, 1000), tokens(100))
	require.Equal(t, &Spent{Run: "r", Model: "m", Unit: Tokens, Cap: 1000, Need: 100}, spent)
	require.Equal(t, "run r may spend 1000 tokens; 0 tokens are left, and the next call of model m may need 100 tokens",
		spent.Error())
	stop(t, b)
	require.Equal(t, Use{Calls: 10, TokensIn: 1000}, account(t, kv, "r").Total())
}

func TestWhatIsLeftIsSaidAndASmallerCallFits(t *testing.T) {
	b := openBook(t, bucket(t, natstest.Start(t)), "w1")
	hold(t, b, "r", "m", caps(1, 1000), tokens(700)).Settle(used(650))
	require.Equal(t, uint64(350), refused(t, b, "r", "m", caps(1, 1000), tokens(400)).Left)
	hold(t, b, "r", "m", caps(1, 1000), tokens(350)).Settle(used(350))
}

func TestMoneyAndModelsHaveCapsOfTheirOwn(t *testing.T) {
	b := openBook(t, bucket(t, natstest.Start(t)), "w1")
	money := llm.Budget{Seq: 1, Run: llm.Cap{Micros: 5_250_000}}
	spent := refused(t, b, "paid", "m", money, Amount{Tokens: 1, Micros: 6_000_001})
	require.Equal(t, "run paid may spend 5.25 in money; 5.25 are left, and the next call of model m may need 6.000001",
		spent.Error())
	model := llm.Budget{Seq: 1, Run: llm.Cap{Tokens: 1000}, Model: llm.Cap{Tokens: 50}}
	spent = refused(t, b, "r", "small", model, tokens(51))
	require.True(t, spent.Scoped)
	require.Contains(t, spent.Error(), "model small of run r may spend 50 tokens")
	hold(t, b, "r", "large", caps(1, 1000), tokens(900)).Settle(used(900))
	require.Equal(t, uint64(50), hold(t, b, "r", "small", model, tokens(50)).need.Tokens)
}

func TestACallWaitsForWhatIsInFlight(t *testing.T) {
	t.Parallel()
	b := openBook(t, bucket(t, natstest.Start(t)), "w1")
	first := hold(t, b, "r", "m", caps(1, 1000), tokens(800))
	wake := make(chan struct{})
	got, err := reserve(b, "r", "m", caps(1, 1000), tokens(500), 2*tick)
	require.Nil(t, got)
	require.ErrorIs(t, err, ErrWait, "the first may give something back")
	_, err = b.Reserve("r", "m", caps(1, 1000), tokens(500), func() { close(wake) })
	require.ErrorIs(t, err, ErrWait)
	first.Settle(used(100))
	<-wake
	hold(t, b, "r", "m", caps(1, 1000), tokens(500))
}

func TestMoreBudgetLiftsTheRefusal(t *testing.T) {
	t.Parallel()
	kv := bucket(t, natstest.Start(t))
	b := openBook(t, kv, "w1")
	hold(t, b, "r", "m", caps(1, 100), tokens(100)).Settle(used(100))
	refused(t, b, "r", "m", caps(1, 100), tokens(10))
	require.Equal(t, []int{50, 80, 100}, percents(account(t, kv, "r")))
	hold(t, b, "r", "m", caps(9, 190), tokens(10)).Settle(used(10))
	a := account(t, kv, "r")
	require.Equal(t, Cap{Seq: 9, Tokens: 190}, a.Caps.Run)
	require.Equal(t, []int{50}, percents(a), "what is out of reach again can be told again")
	require.Equal(t, uint64(1), a.Alerts[0].Seq, "what was told is not told twice")
	hold(t, b, "r", "m", caps(1, 100), tokens(10)).Settle(used(10)) // an older budget changes nothing
	require.Equal(t, uint64(9), account(t, kv, "r").Caps.Run.Seq)
}

func TestAlertsAreToldWhenReachedAndAtRefusal(t *testing.T) {
	t.Parallel()
	kv := bucket(t, natstest.Start(t))
	one, two := openBook(t, kv, "w1"), openBook(t, kv, "w2")
	hold(t, one, "r", "m", caps(3, 1000), tokens(400)).Settle(used(400))
	hold(t, two, "r", "m", caps(3, 1000), tokens(250)).Settle(used(250))
	stop(t, one)
	stop(t, two)
	a := account(t, kv, "r")
	require.Equal(t, []int{50}, percents(a))
	require.WithinDuration(t, time.Now(), a.Alerts[0].At, patience)
	third := openBook(t, kv, "w3")
	refused(t, third, "r", "m", caps(3, 1000), tokens(500))
	require.Equal(t, []int{50, 80, 100}, percents(account(t, kv, "r")), "a cap that cannot give what is needed is spent")
}

func percents(a Account) []int {
	var list []int
	for _, alert := range a.Alerts {
		list = append(list, alert.Percent)
	}
	return list
}

func TestASliceGoesBackWhenNothingIsInFlight(t *testing.T) {
	t.Parallel()
	kv := bucket(t, natstest.Start(t))
	one, two := openBook(t, kv, "w1"), openBook(t, kv, "w2")
	hold(t, one, "r", "m", caps(1, 1000), tokens(900)).Settle(used(100))
	hold(t, two, "r", "m", caps(1, 1000), tokens(800)) // waits until the first gave back what it had
	require.Eventually(t, func() bool { return len(account(t, kv, "r").Slices) == 1 }, patience, tick)
	require.Equal(t, "w2", account(t, kv, "r").Slices[0].Writer)
}

func TestTheSliceOfADeadWriterIsSpent(t *testing.T) {
	t.Parallel()
	kv := bucket(t, natstest.Start(t))
	dead := openBook(t, kv, "w1")
	hold(t, dead, "r", "m", caps(1, 1000), tokens(600)).Settle(used(1))
	dead.crash()
	held := account(t, kv, "r").Held().Tokens
	require.GreaterOrEqual(t, held+account(t, kv, "r").Total().TokensIn, uint64(600))
	b := openBook(t, kv, "w2")
	began := time.Now()
	spent := refused(t, b, "r", "m", caps(1, 1000), tokens(600))
	require.LessOrEqual(t, spent.Left, uint64(400))
	require.GreaterOrEqual(t, time.Since(began), deadAfter, "it might have been alive")
	hold(t, b, "r", "m", caps(1, 1000), tokens(spent.Left)).Settle(used(spent.Left))
	stop(t, b)
	a := account(t, kv, "r")
	require.Equal(t, []Slice{{Writer: "w1", Model: "m", Amount: tokens(held)}}, a.Slices)
	require.Equal(t, uint64(1000), a.Total().Amount().plus(a.Held()).Tokens)
}

func TestALivingWriterWithSlowCallsIsNotTakenForDead(t *testing.T) {
	t.Parallel()
	kv := bucket(t, natstest.Start(t))
	slow, b := openBook(t, kv, "w1"), openBook(t, kv, "w2")
	h := hold(t, slow, "r", "m", caps(1, 1000), tokens(900))
	_, err := reserve(b, "r", "m", caps(1, 1000), tokens(500), deadAfter+4*tick)
	require.ErrorIs(t, err, ErrWait)
	h.Settle(used(100))
	hold(t, b, "r", "m", caps(1, 1000), tokens(500))
}

func TestModelsOfARunLendEachOtherWhatIsFree(t *testing.T) {
	b := openBook(t, bucket(t, natstest.Start(t)), "w1")
	busy := hold(t, b, "r", "a", caps(1, 1000), tokens(500))
	hold(t, b, "r", "a", caps(1, 1000), tokens(400)).Settle(used(0)) // leaves 400 free in the slice of a
	hold(t, b, "r", "b", caps(1, 1000), tokens(450))
	busy.Settle(used(500))
}

func TestUseAboveTheReservationIsBookedAndLoggedOnce(t *testing.T) {
	kv := bucket(t, natstest.Start(t))
	var mu sync.Mutex
	var out bytes.Buffer
	b := NewBook(kv, "w1", slog.New(slog.NewTextHandler(&locked{mu: &mu, to: &out}, nil)))
	require.NoError(t, b.Start(t.Context()))
	one, two := hold(t, b, "r", "m", caps(1, 1000), tokens(100)), hold(t, b, "r", "m", caps(1, 1000), tokens(100))
	one.Settle(used(450))
	two.Settle(used(450))
	require.Equal(t, uint64(100), refused(t, b, "r", "m", caps(1, 1000), tokens(101)).Left, "the next get less")
	stop(t, b)
	a := account(t, kv, "r")
	require.Equal(t, uint64(900), a.Total().TokensIn)
	require.Zero(t, a.Held())
	mu.Lock()
	defer mu.Unlock()
	require.Equal(t, 1, strings.Count(out.String(), "used more than its request allows"))
}

type locked struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.to.Write(p)
}

func TestUseWithoutBudgetIsCountedEachSecondAndAtStop(t *testing.T) {
	t.Parallel()
	kv := bucket(t, natstest.Start(t))
	one, two := openBook(t, kv, "w1"), openBook(t, kv, "w2")
	for range 100 {
		one.Add("r", "m", used(3))
		two.Add("r", "n", used(5))
	}
	require.Eventually(t, func() bool { return account(t, kv, "r").Total().Calls == 200 }, patience, tick)
	one.Add("r", "m", used(1))
	stop(t, one)
	stop(t, two)
	a := account(t, kv, "r")
	require.Equal(t, map[string]Use{"m": {Calls: 101, TokensIn: 301}, "n": {Calls: 100, TokensIn: 500}}, a.Models)
	require.Zero(t, a.Share())
	require.Empty(t, a.Alerts)
	require.Zero(t, a.Caps.Run)
}

func TestNothingIsSpentBeyondSlicesWhileTheBrokerIsAway(t *testing.T) {
	t.Parallel()
	s := natstest.Start(t)
	kv := bucket(t, s)
	b := openBook(t, kv, "w1")
	hold(t, b, "r", "m", caps(1, 10_000), tokens(100))
	s.Kill(t)
	total := tokens(100)
	for {
		_, err := reserve(b, "r", "m", caps(1, 10_000), tokens(10), 2*tick)
		if err != nil {
			require.ErrorIs(t, err, ErrWait)
			break
		}
		total = total.plus(tokens(10))
	}
	s.Restart(t)
	held := account(t, kv, "r").Held()
	require.True(t, total.within(held), "%v were given away, of slices of %v", total, held)
	hold(t, b, "r", "m", caps(1, 10_000), tokens(10)).Settle(used(10))
}

func TestStopWithoutBrokerSaysWhatStays(t *testing.T) {
	s := natstest.Start(t)
	b := NewBook(bucket(t, s), "w1", natstest.Logger(t))
	require.NoError(t, b.Start(t.Context()))
	hold(t, b, "r", "m", caps(1, 1000), tokens(100)).Settle(used(10))
	s.Kill(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	err := b.Stop(ctx)
	require.ErrorContains(t, err, "run r")
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestWhatIsReservedAtStopStaysSpent(t *testing.T) {
	kv := bucket(t, natstest.Start(t))
	b := openBook(t, kv, "w1")
	h := hold(t, b, "r", "m", caps(1, 1000), tokens(300))
	woken := make(chan struct{})
	_, err := b.Reserve("r", "m", caps(1, 1000), tokens(900), func() { close(woken) })
	require.ErrorIs(t, err, ErrWait)
	stop(t, b)
	<-woken
	_, err = b.Reserve("r", "m", caps(1, 1000), tokens(1), func() {})
	require.ErrorIs(t, err, ErrStopped)
	h.Settle(used(1))
	require.Equal(t, tokens(300), account(t, kv, "r").Held())
	require.ErrorIs(t, b.Start(t.Context()), ErrStopped)
	require.NoError(t, b.Stop(t.Context()))
}

func TestADamagedEntryStopsTheRunByName(t *testing.T) {
	t.Parallel()
	kv := bucket(t, natstest.Start(t))
	_, err := kv.Put(t.Context(), subjects.Encode("r.1"), []byte(`{"v":1,"models":{"m":{"use":{"tokens_in":-1}}}}`))
	require.NoError(t, err)
	b := openBook(t, kv, "w1")
	_, err = reserve(b, "r.1", "m", caps(1, 1000), tokens(1), patience)
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "r.1")
	_, err = Read(t.Context(), kv, "r.1")
	require.ErrorIs(t, err, ErrDamaged)
	require.ErrorContains(t, err, "r.1")
	hold(t, b, "other", "m", caps(1, 1000), tokens(1)) // other runs go on
	e, err := kv.Get(t.Context(), subjects.Encode("r.1"))
	require.NoError(t, err)
	require.Equal(t, uint64(1), e.Revision(), "it is left as it is")
	_, err = kv.Put(t.Context(), subjects.Encode("r.1"), []byte(`{"v":1}`)) // the operator mends it
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := reserve(b, "r.1", "m", caps(1, 1000), tokens(1), patience)
		return err == nil
	}, patience, tick)
}

func TestAnEntryThatVanishesStopsTheRun(t *testing.T) {
	t.Parallel()
	kv := bucket(t, natstest.Start(t))
	one, late := openBook(t, kv, "w1"), openBook(t, kv, "w2")
	hold(t, one, "r", "m", caps(1, 1000), tokens(500))
	require.NoError(t, kv.Delete(t.Context(), "r"))
	for _, b := range []*Book{one, late} {
		var err error
		require.Eventually(t, func() bool {
			_, err = reserve(b, "r", "m", caps(1, 1000), tokens(400), tick)
			return err != nil && !errors.Is(err, ErrWait)
		}, patience, tick)
		require.ErrorIs(t, err, ErrDamaged)
	}
	// An entry without the record of a writer that has a slice is not its entry either.
	_, err := kv.Put(t.Context(), "r", []byte(`{"v":1}`))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		_, err := reserve(late, "r", "m", caps(1, 1000), tokens(1), patience)
		return err == nil
	}, patience, tick)
	_, err = reserve(one, "r", "m", caps(1, 1000), tokens(1), patience)
	require.ErrorIs(t, err, ErrDamaged)
}

func TestWatchTellsEveryRunAndEveryChange(t *testing.T) {
	t.Parallel()
	kv := bucket(t, natstest.Start(t))
	b := openBook(t, kv, "w1")
	b.Add("run one", "m", used(5))
	require.Eventually(t, func() bool { return account(t, kv, "run one").Total().Calls == 1 }, patience, tick)
	ctx, cancel := context.WithCancel(t.Context())
	type news struct {
		run string
		a   Account
	}
	told, ended := make(chan news, 1000), make(chan error, 1)
	go func() { ended <- Watch(ctx, kv, func(run string, a Account) { told <- news{run, a} }) }()
	first := <-told
	require.Equal(t, "run one", first.run)
	require.Equal(t, uint64(5), first.a.Total().TokensIn)
	_, err := kv.Put(t.Context(), "broken", []byte("{"))
	require.NoError(t, err)
	for n := range told {
		if n.run == "broken" {
			require.ErrorIs(t, n.a.Err, ErrDamaged)
			break
		}
	}
	b.Add("two", "m", used(7))
	for n := range told {
		if n.run == "two" {
			require.Equal(t, uint64(7), n.a.Total().TokensIn)
			break
		}
	}
	cancel()
	require.NoError(t, <-ended)
}
