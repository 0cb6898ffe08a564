package runlog

import (
	"math"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/subjects"
)

// kinds are all control kinds with a body of each.
func kinds() map[string]any {
	return map[string]any{
		subjects.KindCreated: created(4, 2, 2), subjects.KindPopulated: Populated{Population: "p"},
		subjects.KindLease:  Lease{Host: "h", Incarnation: "i", Ranges: []Range{{0, 2}}},
		subjects.KindOpened: Opened{World: map[string]float64{"x": 1}, Means: map[string]float64{"guess": 2}},
		subjects.KindClosed: Closed{UptoSeq: 9, Root: []byte{1}, Chain: []byte{2}, Questions: []Question{{ID: "guess", Counts: []int{1, 2}}}},
		subjects.KindEnvState: EnvState{
			World: map[string]float64{"x": 1}, Winners: map[string]Winners{"guess": {Target: 1, Agents: []int{3}}},
		},
		subjects.KindPaused: Reason{Reason: "why", Waiting: true}, subjects.KindCancelled: Reason{},
		subjects.KindResumed: Reason{Caps: &Caps{Tokens: 5, Models: map[string]Cap{"m": {Micros: 7}}}},
		subjects.KindFault:   FaultNote{At: epoch, Who: "llmproxy", What: "silent"},
		subjects.KindFailed:  Reason{Reason: "why"}, subjects.KindFinished: Reason{Hash: []byte{1}},
	}
}

// staged are books in which each kind of record is next in order.
func staged(t require.TestingT) []*book {
	var out []*book
	for stage := range 4 {
		b := newBook(t)
		if stage > 0 {
			b.begin(4, 1, 2)
		}
		if stage > 1 {
			b.open()
		}
		if stage > 2 {
			b.answerAll()
			c, err := b.fold.Close()
			require.NoError(t, err)
			b.add(b.control(subjects.KindClosed, 1, 0, c))
		}
		out = append(out, b)
	}
	return out
}

func FuzzControlBodies(f *testing.F) {
	for kind, body := range kinds() {
		raw, err := msgpack.Marshal(body)
		require.NoError(f, err)
		f.Add(kind, raw, 1, uint64(1))
	}
	f.Add(subjects.KindOpened, []byte("\x81\xa5world\xdf\xff\xff\xff\xff"), 1, uint64(0))
	f.Add(subjects.KindPaused, []byte(strings.Repeat("\x91", 4096)), 1, uint64(0))
	f.Fuzz(func(t *testing.T, kind string, body []byte, round int, epoch uint64) {
		if kinds()[kind] == nil || round < 0 || len(body) > 1<<16 {
			return
		}
		for _, b := range staged(t) {
			data, err := Encode(Header{Kind: kind, Run: "r1", Round: round, Epoch: epoch}, body)
			require.NoError(t, err)
			before := b.fold.State
			_, err = b.fold.Apply(b.entry(subjects.LogCtl("r1", kind), data))
			if err != nil {
				require.True(t, known(err), "%v", err)
				require.Equal(t, before, b.fold.State, "an error leaves the state as it was")
			}
		}
		for _, to := range []any{new(Closed), new(EnvState), new(Opened), new(Lease), new(Asked), new([]attemptsOf)} {
			grown := allocated(func() { _ = decodeBody(body, to) })
			require.Less(t, grown, uint64(400*len(body)+64<<10), "memory for %d bytes as %T", len(body), to)
		}
	})
}

func FuzzDecodeLease(f *testing.F) {
	f.Add(golden(f)["control"])
	f.Add(golden(f)["answer"])
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, d := range [][]byte{data, resigned(data)} {
			if _, _, err := DecodeLease(d); err != nil {
				require.True(t, known(err), "%v", err)
			}
		}
	})
}

func TestDecodeLease(t *testing.T) {
	l, h, err := DecodeLease(golden(t)["control"])
	require.NoError(t, err)
	require.Equal(t, Header{Kind: subjects.KindLease, Run: "r1", Round: 2, Writer: "c1", Epoch: 300}, h)
	require.Equal(t, Lease{Host: "host-a", Incarnation: "host-a-7", Ranges: []Range{{0, 3}, {7, 8}}}, l)
	_, _, err = DecodeLease(golden(t)["asked"])
	require.ErrorIs(t, err, ErrDamaged)
}

// Small bodies that claim much, or nest deep, are refused before anything is made room for.
func TestTinyBodiesTakeLittleMemory(t *testing.T) {
	for name, body := range map[string]string{
		"map of 4e9":      "\x81\xa5world\xdf\xff\xff\xff\xff",
		"list of 4e9":     "\x81\xa9questions\xdd\xff\xff\xff\xff",
		"text of 4e9":     "\x81\xa6reason\xdb\xff\xff\xff\xff",
		"bytes of 2e9":    "\x81\xa4root\xc6\x7f\xff\xff\xff",
		"nested unknown":  "\x81\xa1x" + strings.Repeat("\x91", 1<<20),
		"extension":       "\x81\xa1x\xc9\xff\xff\xff\xff\x01",
		"cut":             "\x82\xa1x\xc0",
		"two values":      "\xc0\xc0",
		"nothing":         "",
		"the unused code": "\xc1",
	} {
		for _, to := range []any{new(Closed), new(EnvState), new(Opened), new(Reason)} {
			var err error
			raw := []byte(body)
			grown := allocated(func() { err = decodeBody(raw, to) })
			require.ErrorIs(t, err, ErrDamaged, name)
			require.Less(t, grown, uint64(64<<10), "%s as %T", name, to)
		}
	}
}

// checkShape takes all that the codec writes, whatever forms it chooses.
func TestShapeTakesWhatTheCodecWrites(t *testing.T) {
	scalar := func() *rapid.Generator[any] {
		return rapid.OneOf(
			rapid.Int64().AsAny(), rapid.Uint64().AsAny(), rapid.Float64().AsAny(), rapid.Float32().AsAny(), rapid.Bool().AsAny(),
			rapid.Int8().AsAny(), rapid.Uint16().AsAny(), rapid.Uint32().AsAny(), rapid.Int16().AsAny(), rapid.Int32().AsAny(),
			rapid.StringN(0, 300, -1).AsAny(), rapid.SliceOfN(rapid.Byte(), 0, 300).AsAny(),
		)
	}
	rapid.Check(t, func(t *rapid.T) {
		v := map[string]any{"list": rapid.SliceOfN(scalar(), 0, 20).Draw(t, "list"), "nil": nil, "time": epoch, "one": scalar().Draw(t, "one")}
		data, err := msgpack.Marshal(v)
		require.NoError(t, err)
		require.NoError(t, checkShape(data))
		at := rapid.IntRange(0, len(data)-1).Draw(t, "cut")
		require.Error(t, checkShape(data[:at]))
	})
	require.NoError(t, checkShape([]byte(strings.Repeat("\x91", maxDepth-1)+"\xc0")))
	require.Error(t, checkShape([]byte(strings.Repeat("\x91", maxDepth)+"\xc0")))
	long, err := msgpack.Marshal(make([]int, math.MaxUint16+1))
	require.NoError(t, err)
	require.NoError(t, checkShape(long))
}

func TestControlRecordsCannotHoldAFoldUp(t *testing.T) {
	b := newBook(t)
	e := b.control(subjects.KindCreated, 0, 0, created(MaxShards+1, 1, 1))
	_, err := b.fold.Apply(e)
	require.ErrorIs(t, err, ErrTooLarge)
	require.ErrorIs(t, err, ErrDamaged)
	_, err = AppendControl(t.Context(), nil, Header{Kind: subjects.KindCreated, Run: "r1"}, created(MaxShards+1, 1, 1), 0)
	require.ErrorIs(t, err, ErrTooLarge, "what no fold takes is not appended")

	b.begin(4, 1, 1)
	for _, ranges := range [][]Range{{{0, 5}}, {{1, 1}}, {{-1, 2}}, {{2, 4}, {0, 1}}, {{0, 2}, {1, 3}}} {
		_, err := b.fold.Apply(b.control(subjects.KindLease, 0, 2, Lease{Host: "h2", Incarnation: "h2-1", Ranges: ranges}))
		require.ErrorIs(t, err, ErrDamaged, ranges)
	}
	for _, g := range b.fold.Grants {
		require.Equal(t, Grant{Host: "h1", Incarnation: "h1-1", Epoch: 1}, g)
	}
}
