package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"

	"github.com/myriad-sim/myriad/internal/results"
	"github.com/myriad-sim/myriad/pkg/scenario"
)

type initCmd struct {
	Name  string `arg:"" optional:"" help:"Name of the scenario; the file is NAME.yaml." default:"my-scenario" placeholder:"NAME"`
	Force bool   `help:"Replace the file if it exists."`
}

var nameRule = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// Help is shown by --help.
func (initCmd) Help() string {
	return "Example:\n  myriad init opinions && myriad run opinions.yaml"
}

// Run writes the file.
func (c *initCmd) Run(a *app) error {
	if !nameRule.MatchString(c.Name) {
		return fmt.Errorf("name %q: use letters, digits, '.', '_' and '-', starting with a letter or digit", c.Name)
	}
	file := c.Name + ".yaml"
	flags := os.O_WRONLY | os.O_CREATE | os.O_EXCL
	if c.Force {
		flags = os.O_WRONLY | os.O_CREATE | os.O_TRUNC
	}
	f, err := os.OpenFile(file, flags, 0o644) //nolint:gosec // a scenario is for sharing
	if errors.Is(err, os.ErrExist) {
		return fmt.Errorf("%s exists; choose another name, or replace it with --force", file)
	}
	if err != nil {
		return fmt.Errorf("write the scenario: %w", err)
	}
	_, err = f.Write(scenario.Starter(c.Name))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the scenario: %w", err)
	}
	fmt.Fprintf(a.out, "Wrote %s. Next:\n  %s validate %s\n  %s run %s\n", file, invocation(), file, invocation(), file)
	return nil
}

type validateCmd struct {
	File string `arg:"" help:"Scenario file (YAML)." placeholder:"FILE"`
	overrideFlags
}

// Help is shown by --help.
func (validateCmd) Help() string {
	return "Example:\n  myriad validate examples/guess-two-thirds.yaml --set vars.ratio=1/2"
}

// Run checks the file and prints every problem found in it.
func (c *validateCmd) Run(a *app) error {
	sc, err := load(c.File, c.overrideFlags)
	if err != nil {
		return err
	}
	fmt.Fprintf(a.out, "%s is valid: %s, %d agents, %s, %s a round\n", c.File, sc.Name, sc.Population.Size,
		plural(sc.Rounds, "round", "rounds at most"), plural(len(sc.Turn), "question", "questions"))
	for _, b := range sc.Blocks {
		m := sc.Model(b.Model)
		fmt.Fprintf(a.out, "  agents %d..%d, %s: %s, %s\n", b.First, b.First+b.Count-1, b.Name, m.Name, results.Note(*m))
	}
	calls := sc.Rounds * sc.Population.Size * len(sc.Turn)
	fmt.Fprintf(a.out, "  at most %d model calls if every reply can be read at once\n", calls)
	return nil
}

func load(file string, o overrideFlags) (*scenario.Scenario, error) {
	source, err := os.ReadFile(filepath.Clean(file))
	if err != nil {
		return nil, fmt.Errorf("read the scenario: %w", err)
	}
	return scenario.Load(file, source, o.overrides())
}

type schemaCmd struct{}

// Help is shown by --help.
func (schemaCmd) Help() string {
	return `Example:
  myriad schema > scenario.schema.json
and in the first line of a scenario, for editors with a YAML language server:
  # yaml-language-server: $schema=scenario.schema.json`
}

// Run prints the schema.
func (schemaCmd) Run(a *app) error {
	_, err := a.out.Write(scenario.Schema())
	return err
}

type versionCmd struct{}

// Help is shown by --help.
func (versionCmd) Help() string { return "Example:\n  myriad version" }

// Run prints the version.
func (versionCmd) Run(a *app) error {
	_, err := fmt.Fprintln(a.out, "myriad", version())
	return err
}
