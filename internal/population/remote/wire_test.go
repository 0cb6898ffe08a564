package remote_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/population"
	"github.com/myriad-sim/myriad/internal/population/remote"
)

func spec(size int) population.Spec {
	return population.Spec{Size: size, Seed: 1<<64 - 1, Generator: population.GeneratorTemplate, Distributions: []population.Dist{
		{Name: "education", Categories: []string{"high school", "Ph.D."}, Proportions: []float64{0.8, 0.2}},
	}}
}

func TestPayloadsRoundTrip(t *testing.T) {
	reply := remote.Reply{V: remote.Version, Hash: "h", Object: "o", Bytes: 3, Reused: true, Certificate: population.Certificate{
		Size: 5, Margins: []population.Margin{{Name: "a", Categories: 2, TotalVariation: 0.25}}, Checked: 5, Distinct: 4, Duplicates: 1,
	}}
	query := remote.Query{V: remote.Version, Spec: spec(5)}
	for _, f := range []remote.Format{remote.Msgpack, remote.JSON} {
		data, err := f.Marshal(query)
		require.NoError(t, err)
		gotQuery, err := f.DecodeQuery(data)
		require.NoError(t, err)
		require.Equal(t, query, gotQuery)

		data, err = f.Marshal(reply)
		require.NoError(t, err)
		gotReply, err := f.DecodeReply(data)
		require.NoError(t, err)
		require.Equal(t, reply, gotReply)

		again, err := remote.ParseFormat(f.ContentType())
		require.NoError(t, err)
		require.Equal(t, f, again)
	}
}

// What other languages see: maps with the same names in both formats.
func TestPayloadNames(t *testing.T) {
	data, err := remote.Msgpack.Marshal(remote.Query{V: 1, Spec: spec(5)})
	require.NoError(t, err)
	var m map[string]any
	require.NoError(t, msgpack.Unmarshal(data, &m))
	require.ElementsMatch(t, []string{"size", "seed", "generator", "distributions"}, keys(m["spec"]))
	data, err = remote.JSON.Marshal(remote.Query{V: 1, Spec: spec(5)})
	require.NoError(t, err)
	require.JSONEq(t, `{"v":1,"spec":{"size":5,"seed":18446744073709551615,"generator":"template","distributions":
		[{"name":"education","categories":["high school","Ph.D."],"proportions":[0.8,0.2]}]}}`, string(data))
}

func keys(v any) []string {
	var out []string
	for k := range v.(map[string]any) {
		out = append(out, k)
	}
	return out
}

func TestQueriesAreStrict(t *testing.T) {
	for name, c := range map[string]struct {
		format remote.Format
		data   string
		says   string
	}{
		"empty":               {remote.JSON, ``, "EOF"},
		"not JSON":            {remote.JSON, `size: 5`, "invalid character"},
		"unknown field":       {remote.JSON, `{"v":1,"spec":{"siez":5}}`, "siez"},
		"wrong type":          {remote.JSON, `{"v":1,"spec":{"size":"5"}}`, "size"},
		"two values":          {remote.JSON, `{"v":1} {"v":1}`, "behind its end"},
		"no version":          {remote.JSON, `{"spec":{}}`, "version 0"},
		"next version":        {remote.JSON, `{"v":2}`, "version 2, this binary knows 1"},
		"null":                {remote.JSON, `null`, "version 0"},
		"msgpack empty":       {remote.Msgpack, "", "cut short"},
		"msgpack of JSON":     {remote.Msgpack, `{"v":1}`, "bad payload"},
		"msgpack never used":  {remote.Msgpack, "\x81\xa1v\xc1", "cut short"},
		"msgpack unknown":     {remote.Msgpack, "\x81\xa1x\x01", `"x"`},
		"msgpack version":     {remote.Msgpack, "\x81\xa1v\x09", "version 9"},
		"msgpack two values":  {remote.Msgpack, "\x81\xa1v\x01\x01", "behind its end"},
		"msgpack large claim": {remote.Msgpack, "\x81\xa4spec\x81\xaddistributions\xdd\xff\xff\xff\xff", "claims more"},
		"msgpack long text":   {remote.Msgpack, "\x81\xdb\xff\xff\xff\xffv", "claims more"},
		"msgpack cut short":   {remote.Msgpack, "\x81\xa1v\xcf\x00", "cut short"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := c.format.DecodeQuery([]byte(c.data))
			require.ErrorIs(t, err, remote.ErrPayload)
			require.ErrorContains(t, err, c.says)
		})
	}
}

// A walk over a payload must agree with the decoder on where every kind of value ends.
func TestEveryMsgpackValueIsWalkedOver(t *testing.T) {
	for _, v := range []any{
		nil, true, 1, -1, -100, 1000, -1000, 100_000, -100_000, uint64(1) << 63, -int64(1) << 40, float32(1), 1.5, "", "text",
		strings.Repeat("t", 40), strings.Repeat("t", 300), strings.Repeat("t", 70_000), []byte("b"), make([]byte, 300), make([]byte, 70_000),
		make([]int, 3), make([]int, 20), make([]int, 70_000), map[string]int{"a": 1}, manyKeys(20), manyKeys(70_000), time.Unix(1, 1), time.Unix(1<<40, 1),
	} {
		data, err := msgpack.Marshal(map[string]any{"v": remote.Version, "later": v})
		require.NoError(t, err)
		_, err = remote.Msgpack.DecodeReply(data)
		require.NoError(t, err, "%T", v)
		_, err = remote.Msgpack.DecodeReply(data[:len(data)-1])
		require.ErrorIs(t, err, remote.ErrPayload, "%T", v)
	}
}

func manyKeys(n int) map[string]int {
	m := make(map[string]int, n)
	for i := range n {
		m[strconv.Itoa(i)] = i
	}
	return m
}

func TestRepliesMayGrow(t *testing.T) {
	r, err := remote.JSON.DecodeReply([]byte(`{"v":1,"hash":"h","later":true}`))
	require.NoError(t, err)
	require.Equal(t, "h", r.Hash)
	_, err = remote.JSON.DecodeReply([]byte(`{"v":2,"hash":"h"}`))
	require.ErrorIs(t, err, remote.ErrPayload)
}

func TestParseFormat(t *testing.T) {
	for text, want := range map[string]remote.Format{
		"": remote.Msgpack, "application/json": remote.JSON, "application/json; charset=utf-8": remote.JSON,
		"Application/JSON": remote.JSON, "application/x-msgpack": remote.Msgpack,
	} {
		got, err := remote.ParseFormat(text)
		require.NoError(t, err)
		require.Equal(t, want, got, text)
	}
	for _, text := range []string{"text/plain", "json", ";", "application/yaml"} {
		_, err := remote.ParseFormat(text)
		require.ErrorIs(t, err, remote.ErrPayload, text)
	}
}

func FuzzDecodeQuery(f *testing.F) {
	for _, format := range []remote.Format{remote.Msgpack, remote.JSON} {
		data, err := format.Marshal(remote.Query{V: 1, Spec: spec(5)})
		require.NoError(f, err)
		f.Add(uint8(format), data)
	}
	f.Fuzz(func(t *testing.T, format uint8, data []byte) {
		fm := remote.Format(format % 2)
		q, err := fm.DecodeQuery(data)
		if err != nil {
			require.ErrorIs(t, err, remote.ErrPayload)
			return
		}
		if q.Spec.Validate() != nil {
			return
		}
		again, err := fm.Marshal(q)
		require.NoError(t, err)
		same, err := fm.DecodeQuery(again)
		require.NoError(t, err)
		require.Equal(t, q.Spec.Hash(), same.Spec.Hash())
	})
}
