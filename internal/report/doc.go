// Package report turns the figures of a run, finished or stopped early, into
// what a researcher reads: summary.json, one row per answer as CSV, JSON lines
// and Parquet, a codebook, a table and histograms for the terminal, and one
// self-contained HTML page.
//
// It works on plain values and writes to io.Writer; it knows nothing of
// messages, run logs or files. Writers of rows use constant memory. The same
// input gives the same bytes. Whatever a scenario or a model wrote is escaped
// for the medium it is printed in.
//
// The package may import internal/stats, the standard library, go-runewidth
// and parquet-go.
package report
