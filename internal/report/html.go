package report

import (
	"bufio"
	"embed"
	"fmt"
	"html/template"
	"io"
)

//go:embed assets
var assets embed.FS

// HTML writes a run as one self-contained page: no script, no request to anywhere, charts as inline SVG. It follows the
// reader's light or dark setting and prints on paper.
func HTML(w io.Writer, d Data) error {
	t, err := template.ParseFS(assets, "assets/*.tmpl")
	if err != nil {
		return fmt.Errorf("report: page template: %w", err)
	}
	css, err := assets.ReadFile("assets/report.css")
	if err != nil {
		return fmt.Errorf("report: page style: %w", err)
	}
	p := newPage(d)
	p.CSS = template.CSS(css) //nolint:gosec // our own file
	out := bufio.NewWriter(w)
	if err := t.ExecuteTemplate(out, "page.html.tmpl", p); err != nil {
		return fmt.Errorf("report: write page: %w", err)
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("report: write page: %w", err)
	}
	return nil
}
