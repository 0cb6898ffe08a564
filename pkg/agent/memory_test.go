package agent_test

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/pkg/agent"
	"github.com/myriad-sim/myriad/pkg/msg"
)

func ids(list []msg.Msg) []string {
	out := []string{}
	for _, m := range list {
		out = append(out, m.ID)
	}
	return out
}

// A memory is a slice: whatever is done to one, it holds what the slice holds, goes back to what it held, and a host that
// repeats its changes holds the same.
func TestMemoryIsASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, replica := agent.NewMemory(), agent.NewMemory()
		var have, marked []string
		var window, markedWindow, drawn int
		trim := func() {
			if window > 0 && len(have) > window {
				have = slices.Clone(have[len(have)-window:])
			}
		}
		fresh := func() (list []msg.Msg) {
			for range rapid.IntRange(0, 4).Draw(t, "n") {
				drawn++
				list = append(list, msg.Msg{ID: strconv.Itoa(drawn)})
			}
			return list
		}
		t.Repeat(map[string]func(*rapid.T){
			"append": func(*rapid.T) {
				list := fresh()
				m.Append(list...)
				have = append(have, ids(list)...)
				clear(list) // the memory has its own
				trim()
			},
			"share": func(*rapid.T) {
				for _, one := range fresh() {
					m.Share(&one)
					have = append(have, one.ID)
					trim()
				}
			},
			"window": func(t *rapid.T) {
				window = rapid.IntRange(0, 6).Draw(t, "window")
				m.Window(window)
				trim()
			},
			"retain": func(t *rapid.T) {
				digit := rapid.StringMatching(`[0-9]`).Draw(t, "digit")
				m.Retain(func(one msg.Msg) bool { return !strings.HasSuffix(one.ID, digit) })
				have = slices.DeleteFunc(slices.Clone(have), func(id string) bool { return strings.HasSuffix(id, digit) })
			},
			"clear": func(*rapid.T) { m.Clear(); have = nil },
			"travel": func(t *rapid.T) {
				data, err := m.Export()
				require.NoError(t, err)
				again, err := m.Export()
				require.NoError(t, err)
				require.Equal(t, data, again)
				require.NoError(t, m.Import(data))
			},
			"mark": func(*rapid.T) {
				replica.Apply(m.Changes())
				m.Mark()
				require.True(t, m.Changes().Empty())
				marked, markedWindow = slices.Clone(have), window
			},
			"rollback": func(*rapid.T) {
				m.Rollback()
				have, window = slices.Clone(marked), markedWindow
			},
			"clone": func(*rapid.T) {
				other := agent.NewMemory()
				other.Append(msg.Msg{ID: "mine"})
				other.Apply(m.Everything())
				require.Equal(t, ids(m.Messages()), ids(other.Messages()))
			},
			"": func(t *rapid.T) {
				require.Equal(t, append([]string{}, have...), ids(m.Messages()))
				require.Equal(t, len(have), m.Len())
				n := rapid.IntRange(0, 3).Draw(t, "recent")
				want := have
				if n > 0 {
					want = have[max(0, len(have)-n):]
				}
				require.Equal(t, append([]string{}, want...), ids(m.Recent(n)))
				even := func(one msg.Msg) bool { return len(one.ID)%2 == 0 }
				require.Equal(t, ids(slices.DeleteFunc(m.Messages(), func(one msg.Msg) bool { return !even(one) })), ids(m.Select(even)))
				require.Equal(t, append([]string{}, marked...), ids(replica.Messages()), "the replica is at the mark")
			},
		})
	})
}

// What a host logs is what was appended, however much a window makes the memory forget.
func TestMemoryWithAWindowChangesByWhatIsAppended(t *testing.T) {
	m := agent.NewMemory()
	m.Window(3)
	m.Mark()
	for i := range 10 {
		m.Append(msg.Msg{ID: strconv.Itoa(i)})
		c := m.Changes()
		require.False(t, c.Reset)
		require.Len(t, c.Append, 1)
		m.Mark()
	}
	require.Equal(t, []string{"7", "8", "9"}, ids(m.Messages()))
	require.Equal(t, 3, m.Everything().Window)
}

// One message to very many memories is one message.
func TestSharingCopiesNoMessage(t *testing.T) {
	one := &msg.Msg{ID: "1", Content: msg.Text(strings.Repeat("x", 1000))}
	m := agent.NewMemory()
	m.Share(one)
	m.Mark()
	require.Same(t, one, m.Everything().Append[0])
	const memories = 1000
	list := make([]*agent.Memory, memories)
	for i := range list {
		list[i] = agent.NewMemory()
	}
	each := testing.AllocsPerRun(1, func() { // called twice
		for _, m := range list {
			m.Share(one)
			m.Mark()
		}
	}) / memories
	require.LessOrEqual(t, each, 1.0, "a place in a list, no message")
}

func TestImportRefusesNonsense(t *testing.T) {
	m := agent.NewMemory()
	m.Append(msg.New("Ann", msg.RoleUser, msg.Text("hello")))
	good, err := m.Export()
	require.NoError(t, err)
	for name, c := range map[string]struct{ data, want string }{
		"nothing":         {"", "EOF"},
		"no array":        {"\xa3abc", ""},
		"too few fields":  {"\x92\x01\x00", "2 fields"},
		"another version": {"\x93\x02\x00\x90", "it is of version 2, this program reads 1"},
		"no window":       {"\x93\x01\xff\x90", "a window of -1"},
		"not a message":   {"\x93\x01\x00\x91\x01", "message 1 of 1"},
		"a lying count":   {"\x93\x01\x00\xdd\x7f\xff\xff\xff", "message 1 of 2147483647"},
		"cut short":       {string(good[:len(good)-1]), "message 1 of 1"},
		"something after": {string(good) + "\x00", "1 bytes follow it"},
	} {
		err := m.Import([]byte(c.data))
		require.ErrorIs(t, err, agent.ErrMemory, name)
		require.ErrorContains(t, err, c.want, name)
		require.Equal(t, 1, m.Len(), "it is as it was")
	}
	require.NoError(t, agent.NewMemory().Import([]byte("\x94\x01\x00\x90\xc0")), "fields that a later version appends")

	m.Append(msg.Msg{Metadata: map[string]any{"f": func() {}}})
	_, err = m.Export()
	require.ErrorIs(t, err, msg.ErrInvalid)
	require.ErrorContains(t, err, "message 2 of 2")
}

func FuzzImport(f *testing.F) {
	m := agent.NewMemory()
	m.Window(2)
	m.Append(msg.New("Ann", msg.RoleUser, msg.Text("hello")), msg.Msg{})
	good, err := m.Export()
	require.NoError(f, err)
	f.Add(good)
	f.Add([]byte("\x93\x01\x00\xdd\x7f\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := agent.NewMemory()
		if m.Import(data) != nil {
			require.Zero(t, m.Len())
			return
		}
		once, err := m.Export()
		require.NoError(t, err)
		require.NoError(t, m.Import(once))
		twice, err := m.Export()
		require.NoError(t, err)
		require.Equal(t, once, twice)
	})
}
