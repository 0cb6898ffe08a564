package report

import (
	"fmt"
	"io"
	"strings"
)

// Format is a way to write rows. Its text is also the extension of its files.
type Format string

// The formats.
const (
	FormatCSV     Format = "csv"
	FormatJSONL   Format = "jsonl"
	FormatParquet Format = "parquet"
)

// Formats are all formats, in the order they are listed to readers.
func Formats() []Format { return []Format{FormatCSV, FormatJSONL, FormatParquet} }

// RowWriter writes rows in one format, in constant memory. It is not safe for concurrent use. It keeps nothing of the rows
// it is given.
type RowWriter interface {
	// Write writes rows. Errors of the underlying writer stick; ErrPersonas refuses the first row it is about and those
	// behind it.
	Write(rows []Row) error
	// Close writes what is buffered and does not close the underlying writer. Later calls of Write and Close return
	// ErrClosed. A writer that is given up needs no Close.
	Close() error
}

// NewRowWriter returns a writer of the rows of the run that s is about, or ErrFormat. Persona columns are those of
// personas, in order.
func NewRowWriter(f Format, w io.Writer, s Summary, personas []Persona) (RowWriter, error) {
	switch f {
	case FormatCSV:
		return NewCSV(w, personas), nil
	case FormatJSONL:
		return NewJSONL(w, personas), nil
	case FormatParquet:
		return NewParquet(w, s, personas)
	}
	names := make([]string, 0, len(Formats()))
	for _, known := range Formats() {
		names = append(names, string(known))
	}
	return nil, fmt.Errorf("%w %q: use %s", ErrFormat, f, strings.Join(names, ", "))
}
