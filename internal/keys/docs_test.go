package keys_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/myriad-sim/myriad/internal/keys"
	"github.com/myriad-sim/myriad/pkg/subjects"
)

// The table in docs/security.md says what the permissions are.
func TestDocumentedPermissions(t *testing.T) {
	text, err := os.ReadFile("../../docs/security.md")
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(text), "<!-- test: users -->\n")
	require.True(t, ok)
	got, _, ok := strings.Cut(after, "\n\n")
	require.True(t, ok)
	require.Equal(t, table(), got)
}

// docs/protocol.md tells who writes a program what its user may do.
func TestDocumentedPermissionsOfPrograms(t *testing.T) {
	text, err := os.ReadFile("../../docs/protocol.md")
	require.NoError(t, err)
	_, after, ok := strings.Cut(string(text), "<!-- test: permissions -->\n| | subjects |\n| --- | --- |\n")
	require.True(t, ok)
	got, _, ok := strings.Cut(after, "\n\n")
	require.True(t, ok)
	u := keys.User{Role: keys.Agent, Public: "U", Run: "r1", Host: "js-1"}
	allowed := u.Allowed()
	for i, line := range strings.Split(got, "\n") {
		want, inboxes := allowed.Subscribe, "its own inboxes"
		if i == 1 {
			want, inboxes = allowed.Publish, "any inbox"
		}
		cells := strings.Split(line, " | ")
		require.Len(t, cells, 2, line)
		said := strings.Split(strings.TrimSuffix(cells[1], " |"), ", ")
		require.Equal(t, inboxes, said[len(said)-1])
		said = said[:len(said)-1]
		want = slices.DeleteFunc(slices.Clone(want), func(s string) bool { return strings.HasPrefix(s, "_INBOX") })
		for i := range said {
			said[i] = strings.Trim(said[i], "`")
		}
		require.ElementsMatch(t, want, said)
	}
}

func table() string {
	lines := []string{"| user | writes and asks | hears | reads |", "| --- | --- | --- | --- |"}
	for _, r := range append(slices.Clone(keys.Roles), keys.Agent) {
		u := keys.User{Role: r, Public: "U", Run: "RUN", Host: "HOST"}
		p := u.Allowed()
		writes, reads := split(p.Publish)
		hears, _ := split(p.Subscribe)
		lines = append(lines, fmt.Sprintf("| `%s` | %s | %s | %s |", r, writes, hears, reads))
	}
	return strings.Join(lines, "\n")
}

// split sorts patterns into those of Myriad, shortened, and the streams that requests to the broker are about.
func split(patterns []string) (own, streams string) {
	var list, read []string
	for _, s := range patterns {
		api, isAPI := strings.CutPrefix(s, "$JS.API.")
		switch {
		case strings.HasPrefix(s, "_INBOX"), strings.HasPrefix(s, "$SRV."), strings.HasPrefix(s, "$JS.FC."): // everybody's, or what comes with reading
		case isAPI && strings.HasPrefix(api, "CONSUMER.CREATE."):
			stream := strings.TrimSuffix(strings.TrimPrefix(api, "CONSUMER.CREATE."), ".>")
			read = append(read, "`"+strings.TrimPrefix(strings.TrimPrefix(stream, "KV_"), "OBJ_")+"`")
		case isAPI && strings.HasPrefix(api, "STREAM.CREATE."+subjects.StreamLog):
			list = append(list, "makes all streams")
		case isAPI:
		default:
			s = strings.TrimPrefix(s, "myriad.")
			s = strings.TrimPrefix(s, "run.*.")
			list = append(list, "`"+s+"`")
		}
	}
	none := func(l []string) string {
		if len(l) == 0 {
			return "nothing"
		}
		return strings.Join(l, ", ")
	}
	return none(list), none(read)
}
