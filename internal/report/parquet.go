package report

import (
	"errors"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"sync"

	"github.com/parquet-go/parquet-go"
)

// A row group is held in memory, compressed, until it is whole: so many rows, or so many bytes of replies.
const (
	groupRows  = 128 << 10
	groupBytes = 32 << 20
)

// stripe is how many rows are taken column by column at a time: so few that they stay in the cache from column to column.
const stripe = 512

// Parquet writes rows as a Parquet file: the columns of CSV in the same order, but for the value, which has two columns,
// see parquetColumns. It is a RowWriter. It holds one row group and, of those it has written, a few kilobytes each.
//
// Rows are written in batches, column by column. Row by row, through reflection, would cost several times as much.
type Parquet struct {
	file    *parquet.GenericWriter[any]
	columns []*parquet.ColumnWriter
	fill    []filler
	sink    sink // of which it uses the check of rows and the error that sticks
	lanes   int  // goroutines that write columns
	rows    int  // in the row group
	bytes   int  // of its replies and values
}

// mostLanes bounds the goroutines that write columns: beyond it they would wait for those who make the rows.
const mostLanes = 4

// NewParquet returns a writer of rows with these persona columns. The file's metadata say which run, scenario, seed and
// result hash they are of, from s.
func NewParquet(w io.Writer, s Summary, personas []Persona) (*Parquet, error) {
	list := parquetColumns(personas)
	options := []parquet.WriterOption{
		parquet.NewSchema("row", newRecord(list)),
		parquet.DictionaryMaxBytes(dictionaryBytes),
		parquet.CreatedBy("myriad", version(), ""),
	}
	for _, c := range list {
		options = append(options, parquet.SkipPageStatistics(c.name)) // the index of pages has them
	}
	for key, text := range map[string]string{
		"run": s.Run, "scenario": s.Scenario, "seed": strconv.FormatUint(s.Seed, 10), "result_hash": s.ResultHash, "version": version(),
	} {
		options = append(options, parquet.KeyValueMetadata("myriad."+key, text))
	}
	config, err := parquet.NewWriterConfig(options...)
	if err != nil {
		return nil, fmt.Errorf("report: parquet file: %w", err)
	}
	p := &Parquet{
		lanes: min(mostLanes, runtime.GOMAXPROCS(0)),
		file:  parquet.NewGenericWriter[any](w, config),
		sink:  newSink(w, personas, func(_, category string) []byte { return []byte(category) }),
	}
	p.columns = p.file.ColumnWriters()
	for _, c := range list {
		p.fill = append(p.fill, c.fill)
	}
	return p, nil
}

// version is that of the module the program was built from.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// Write writes rows, see RowWriter.
func (p *Parquet) Write(rows []Row) error {
	if p.sink.err != nil {
		return p.sink.err
	}
	fits, refused := rows, error(nil)
	for i := range rows {
		if refused = p.sink.check(&rows[i]); refused != nil {
			fits = rows[:i]
			break
		}
	}
	for len(fits) > 0 {
		n := p.room(fits)
		if err := p.write(fits[:n]); err != nil {
			p.sink.err = fmt.Errorf("report: write rows: %w", err)
			return p.sink.err
		}
		fits = fits[n:]
	}
	return refused
}

// room is how many of the rows, at least one, are written next to one row group, and counts them.
func (p *Parquet) room(rows []Row) int {
	n := min(len(rows), groupRows-p.rows)
	for i := range n {
		if p.bytes += len(rows[i].Raw) + len(rows[i].Value.text) + len(rows[i].Note); p.bytes >= groupBytes {
			n = i + 1
			break
		}
	}
	p.rows += n
	return n
}

// write writes rows that fit into the row group, several columns at a time: they have nothing in common.
func (p *Parquet) write(rows []Row) error {
	failed := make([]error, p.lanes)
	var others sync.WaitGroup
	for l := 1; l < p.lanes; l++ {
		others.Go(func() { failed[l] = p.lane(l, rows) })
	}
	failed[0] = p.lane(0, rows)
	others.Wait()
	if err := errors.Join(failed...); err != nil {
		return err
	}
	if p.rows < groupRows && p.bytes < groupBytes {
		return nil
	}
	p.rows, p.bytes = 0, 0
	return p.file.Flush()
}

// lane writes the columns of a lane.
func (p *Parquet) lane(first int, rows []Row) error {
	for rows := range slices.Chunk(rows, stripe) {
		for i := first; i < len(p.fill); i += p.lanes {
			if _, err := p.columns[i].WriteRowValues(p.fill[i](rows)); err != nil {
				return err
			}
		}
	}
	return nil
}

// Close writes the last row group and the footer, see RowWriter.
func (p *Parquet) Close() error {
	if p.sink.err != nil {
		return p.sink.err
	}
	p.sink.err = ErrClosed
	if err := p.file.Close(); err != nil {
		p.sink.err = fmt.Errorf("report: write rows: %w", err)
		return p.sink.err
	}
	return nil
}
