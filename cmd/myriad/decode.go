package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	"github.com/vmihailenco/msgpack/v5"

	"github.com/myriad-sim/myriad/internal/runlog"
)

type decodeCmd struct{}

// Help is shown by --help.
func (decodeCmd) Help() string {
	return `Reads one or more msgpack values from stdin and prints one JSON line each. Records of the run log are
checked and printed with names; answer records with their columns. JSON on stdin passes through.

Example:
  nats sub 'myriad.>' --translate 'myriad decode'`
}

// maxDecode bounds what is read from stdin.
const maxDecode = 64 << 20

// Run decodes stdin.
func (decodeCmd) Run(a *app) error {
	data, err := io.ReadAll(io.LimitReader(os.Stdin, maxDecode+1))
	if err != nil {
		return fmt.Errorf("read stdin: %w", err)
	}
	if len(data) > maxDecode {
		return fmt.Errorf("more than %d bytes on stdin", maxDecode)
	}
	out := bufio.NewWriter(a.out)
	return errors.Join(decodeAll(out, data), out.Flush())
}

func decodeAll(out io.Writer, data []byte) error {
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	if h, body, err := runlog.Decode(data); err == nil {
		return enc.Encode(map[string]any{
			"kind": h.Kind, "run": h.Run, "round": h.Round, "writer": h.Writer, "epoch": h.Epoch, "body": recordBody(h, body),
		})
	}
	if trimmed := bytes.TrimSpace(data); json.Valid(trimmed) {
		var line bytes.Buffer
		if err := json.Compact(&line, trimmed); err != nil {
			return fmt.Errorf("decode: %w", err)
		}
		line.WriteByte('\n')
		_, err := out.Write(line.Bytes())
		return err
	}
	dec := msgpack.NewDecoder(bytes.NewReader(data))
	dec.SetMapDecoder(func(d *msgpack.Decoder) (any, error) { return d.DecodeUntypedMap() })
	for n := 1; ; n++ {
		v, err := dec.DecodeInterface()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("value %d on stdin is not msgpack: %w", n, err)
		}
		if err := enc.Encode(plain(v)); err != nil {
			return fmt.Errorf("value %d on stdin: %w", n, err)
		}
	}
}

// recordBody is a body with the names of its fields where its kind has any.
func recordBody(h runlog.Header, body []byte) any {
	if h.Kind == runlog.KindAnswer {
		if a, err := runlog.DecodeAnswers(body); err == nil {
			status := make([]string, a.Len())
			for i, s := range a.Status {
				status[i] = s.String()
			}
			out := map[string]any{
				"question": a.Question, "shard": a.Shard, "agents": a.Agents, "status": status, "values": a.Values, "text": a.Text,
				"tokens_in": a.TokensIn, "tokens_out": a.TokensOut, "model": distinct(a.Model), "served": distinct(a.Served),
			}
			if a.Shared != nil {
				out["shared_with"] = a.Shared
			}
			if a.Apportioned != nil {
				out["apportioned"] = a.Apportioned
			}
			if a.Reasons != nil {
				out["reasons"] = a.Reasons
			}
			return out
		}
	}
	var v any
	if err := msgpack.Unmarshal(body, &v); err != nil {
		return fmt.Sprintf("undecodable: %v", err)
	}
	return plain(v)
}

func distinct(names []string) []string {
	var out []string
	for i, n := range names {
		if i == 0 || n != names[i-1] {
			out = append(out, n)
		}
	}
	return out
}

// plain makes a decoded value fit for JSON: keys become text, binary becomes text where it is text.
func plain(v any) any {
	switch v := v.(type) {
	case map[any]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			out[fmt.Sprint(k)] = plain(e)
		}
		return out
	case map[string]any:
		for k, e := range v {
			v[k] = plain(e)
		}
		return v
	case []any:
		for i, e := range v {
			v[i] = plain(e)
		}
		return v
	case []byte:
		if utf8.Valid(v) {
			return string(v)
		}
		return fmt.Sprintf("%x", v)
	}
	return v
}
