package usage

import (
	"fmt"
	"math"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

const priceFile = `# what models cost
currency: USD
models:
  gpt-4o-mini: {input: 0.15, output: 0.60}
  "Qwen/*": {input: 0.05, output: 0.05}
  "Qwen/*72B*":
    input: 1
    output: 2.000001
  "*": {input: 0, output: 1000000}
`

func TestPricesAreReadExactly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "prices.yaml")
	require.NoError(t, os.WriteFile(path, []byte(priceFile), 0o600))
	p, err := LoadPrices(path)
	require.NoError(t, err)
	require.Equal(t, "USD", p.Currency)
	for model, want := range map[string]Price{
		"gpt-4o-mini":             {150_000, 600_000},
		"gpt-4o-mini-2":           {0, 1e12},
		"Qwen/Qwen2-7B-Instruct":  {50_000, 50_000},
		"Qwen/Qwen2-72B-Instruct": {1_000_000, 2_000_001},
		"Qwen":                    {0, 1e12},
	} {
		got, ok := p.Of(model)
		require.True(t, ok, model)
		require.Equal(t, want, got, model)
	}
	_, ok := Prices{}.Of("m")
	require.False(t, ok)
	_, err = LoadPrices(filepath.Join(t.TempDir(), "none.yaml"))
	require.ErrorIs(t, err, ErrPrices)
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestPricesThatCannotBeUsedSayWhere(t *testing.T) {
	head := "currency: USD\nmodels:\n  "
	for text, want := range map[string]string{
		"":                             "p.yaml:1:1: a price file is one document, this has 0",
		"currency: USD\n":              `p.yaml:1:1: "models" is missing`,
		"models: {}":                   `"currency" is missing`,
		"currency: 5\nmodels: {}":      "p.yaml:1:11: currency is a text of 1 to 16 characters, such as USD",
		"currency: USD\nmodel: {}":     `p.yaml:2:1: unknown key "model"; there are currency and models`,
		"currency: USD\nmodels: 7":     "p.yaml:2:9: models is a mapping",
		"- a\n":                        "p.yaml:1:1: a price file is a mapping",
		head + "m: 5":                  `p.yaml:3:6: the price of "m" is a mapping`,
		head + "m: {input: 1}":         `p.yaml:3:3: the price of "m" lacks "output"`,
		head + "m: {in: 1, output: 1}": `p.yaml:3:7: unknown key "in"; there are input and output`,
		head + "m: {input: 1, output: 1}\n  m: {input: 1, output: 1}": `p.yaml:4:3: "m" is here twice`,
		head + "m: {input: 1e-3, output: 1}":                          "p.yaml:3:14: a price is a decimal number such as 0.15, without sign or exponent, not 1e-3",
		head + "m: {input: -1, output: 1}":                            "p.yaml:3:14: a price is a decimal number",
		head + "m: {input: 010, output: 1}":                           "p.yaml:3:14: a price is a decimal number",
		head + "m: {input: 0x10, output: 1}":                          "p.yaml:3:14: a price is a decimal number",
		head + "m: {input: 0.1234567, output: 1}":                     "p.yaml:3:14: a price has at most 6 decimals, not 0.1234567",
		head + "m: {input: 1000001, output: 1}":                       "p.yaml:3:14: a price is at most 1000000, not 1000001",
		head + "m: {input: free, output: 1}":                          "p.yaml:3:14: a price is a decimal number such as 0.15",
		head + "m: {input: .inf, output: 1}":                          "p.yaml:3:14: a price is a decimal number such as 0.15",
		head + "m: {input: 1":                                         "p.yaml:3:",
		"a: &x 1\nb: *x\n":                                            `p.yaml:1:1: unknown key "a"`,
		strings.Repeat("[", 1000):                                     "nested more than 8 deep",
		strings.Repeat("a: 1\n", 4000):                                "more than 1000 models",
		strings.Repeat("#", maxPriceBytes+1):                          "p.yaml:1:1: the file has more than 262144 bytes",
		"currency: \xff\n":                                            "p.yaml:1:1: this is not UTF-8 text",
		"currency: USD\nmodels: {}\n---\na: 1\n":                      "this has 2",
	} {
		_, err := parsePrices("p.yaml", []byte(text))
		require.ErrorIs(t, err, ErrPrices, "%.60q", text)
		require.ErrorContains(t, err, want, "%.60q", text)
	}
	_, err := parsePrices("p.yaml", []byte("currency: 5\nmodels: 7\n"))
	require.Len(t, strings.Split(err.Error(), "\n"), 3, "all problems at once: %v", err)
}

func TestTheLongestPatternWins(t *testing.T) {
	p := Prices{patterns: []priced{{"*", Price{In: 1}}, {"a*", Price{In: 2}}, {"*c", Price{In: 4}}, {"ab", Price{In: 3}},
		{"a*b*c", Price{In: 5}}, {"ab*ab", Price{In: 6}}, {"a-long-pattern-*", Price{In: 7}}}}
	p.order()
	for model, want := range map[string]uint64{"ab": 3, "abc": 5, "ac": 4, "xc": 4, "": 1, "aba": 2, "abab": 6, "abXbc": 5} {
		got, ok := p.Of(model)
		require.True(t, ok)
		require.Equal(t, want, got.In, model)
	}
}

func TestACostIsRoundedUpAndNeverLessForMore(t *testing.T) {
	require.Equal(t, uint64(1), Price{In: 1}.Cost(1, 0))
	require.Equal(t, uint64(0), Price{}.Cost(math.MaxUint64, math.MaxUint64))
	require.Equal(t, uint64(750_000), Price{In: 150_000, Out: 600_000}.Cost(1_000_000, 1_000_000))
	require.Equal(t, uint64(math.MaxUint64), Price{In: math.MaxUint64, Out: math.MaxUint64}.Cost(math.MaxUint64, math.MaxUint64))
	rapid.Check(t, func(t *rapid.T) {
		n := func(name string) uint64 {
			return rapid.OneOf(rapid.Uint64(), rapid.Uint64Range(0, 1e9)).Draw(t, name)
		}
		p, in, out := Price{n("input"), n("output")}, n("in"), n("out")
		product := func(a, b uint64) *big.Int {
			return new(big.Int).Mul(new(big.Int).SetUint64(a), new(big.Int).SetUint64(b))
		}
		exact := new(big.Int).Add(product(in, p.In), product(out, p.Out))
		exact.Add(exact, big.NewInt(million-1)).Div(exact, big.NewInt(million))
		if !exact.IsUint64() {
			exact.SetUint64(math.MaxUint64)
		}
		require.Equal(t, exact.Uint64(), p.Cost(in, out))
		require.LessOrEqual(t, p.Cost(in/2, out), p.Cost(in, out))
		require.GreaterOrEqual(t, add(p.Cost(in/2, out), p.Cost(in-in/2, 0)), p.Cost(in, out), "parts never cost less")
	})
}

func TestEveryDecimalIsReadToTheMicro(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		micros := rapid.Uint64Range(0, maxPrice*million).Draw(t, "micros")
		text := fmt.Sprintf("currency: X\nmodels: {m: {input: %s, output: %d.%06d}}", decimal(micros), micros/million, micros%million)
		p, err := parsePrices("p.yaml", []byte(text))
		require.NoError(t, err)
		got, _ := p.Of("m")
		require.Equal(t, Price{micros, micros}, got)
	})
}

func FuzzPrices(f *testing.F) {
	f.Add(priceFile, "gpt-4o-mini")
	f.Add("currency: USD\nmodels: {a: {input: 1, output: 2.5}}", "a")
	f.Add("? a\n: - b", "x")
	f.Fuzz(func(t *testing.T, text, model string) {
		p, err := parsePrices("p.yaml", []byte(text))
		if err != nil {
			require.ErrorIs(t, err, ErrPrices)
			require.Zero(t, p)
			return
		}
		require.NotEmpty(t, p.Currency)
		if price, ok := p.Of(model); ok {
			require.LessOrEqual(t, price.In, uint64(maxPrice+1)*million)
		}
	})
}
