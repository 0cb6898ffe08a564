package control_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"github.com/myriad-sim/myriad/internal/control"
)

func TestMoney(t *testing.T) {
	for text, want := range map[string]control.Money{
		"0": 0, "5": 5_000_000, "5.25": 5_250_000, "0.000001": 1, "007.10": 7_100_000, "18446744073709.551615": 1<<64 - 1,
	} {
		got, err := control.ParseMoney(text)
		require.NoError(t, err, text)
		require.Equal(t, want, got, text)
		var fromNumber, fromText control.Money
		require.NoError(t, json.Unmarshal([]byte(`"`+text+`"`), &fromText))
		require.Equal(t, want, fromText)
		if !strings.HasPrefix(text, "00") {
			require.NoError(t, json.Unmarshal([]byte(text), &fromNumber))
			require.Equal(t, want, fromNumber)
		}
	}
	for _, text := range []string{"", ".", "5.", ".5", "-1", "+1", "1e3", "1.0000000", "18446744073709.551616", "99999999999999999999", "5,00", "five", " 5", "null"} {
		_, err := control.ParseMoney(text)
		require.ErrorIs(t, err, control.ErrMoney, text)
		var m control.Money
		require.Error(t, json.Unmarshal([]byte(`"`+text+`"`), &m), text)
	}
	require.Equal(t, "5.00", control.Money(5_000_000).String())
	require.Equal(t, "0.25", control.Money(250_000).String())
	require.Equal(t, "0.000001", control.Money(1).String())
	data, err := json.Marshal(control.Caps{Tokens: 7, Models: map[string]control.Cap{"m": {Money: 1_500_000}}})
	require.NoError(t, err)
	require.JSONEq(t, `{"tokens":7,"models":{"m":{"money":"1.50"}}}`, string(data))
}

func TestMoneyRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := control.Money(rapid.Uint64().Draw(t, "micros"))
		data, err := json.Marshal(want)
		require.NoError(t, err)
		var got control.Money
		require.NoError(t, json.Unmarshal(data, &got))
		require.Equal(t, want, got)
	})
}

func FuzzMoney(f *testing.F) {
	f.Add("5.25")
	f.Add("0.0000001")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := control.ParseMoney(text)
		if err != nil {
			require.ErrorIs(t, err, control.ErrMoney)
			return
		}
		again, err := control.ParseMoney(m.String())
		require.NoError(t, err)
		require.Equal(t, m, again)
	})
}
