package cli

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/spf13/cobra"
)

// operators is the program of a member's operators. It signs with the organisation's
// own keys at its own peer, where this one signs with a user's key at a gateway.
const operators = "killick-network"

// governCommand hands everything behind it to the operators' program, so that there
// is one command to remember.
func (a *app) governCommand() *cobra.Command {
	return &cobra.Command{
		Use:                "govern",
		Short:              "What the consortium decides: propose, approve, show (for operators; runs " + operators + ")",
		DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error {
			program, err := operatorsProgram()
			if err != nil {
				return err
			}
			run := exec.CommandContext(c.Context(), program, append([]string{"govern"}, args...)...)
			run.Stdin, run.Stdout, run.Stderr = a.in, a.out, a.err
			run.Cancel = func() error { return run.Process.Signal(os.Interrupt) }
			err = run.Run()
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return exitCode(max(exit.ExitCode(), 1)) // -1 after a signal
			}
			return err
		},
	}
}

// exitCode is the failure of a program that has told about it by itself.
type exitCode int

func (e exitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }

// operatorsProgram looks beside this program first: the two are built together.
func operatorsProgram() (string, error) {
	if own, err := os.Executable(); err == nil {
		if path, err := exec.LookPath(filepath.Join(filepath.Dir(own), operators)); err == nil {
			return path, nil
		}
	}
	path, err := exec.LookPath(operators)
	if err != nil {
		return "", fmt.Errorf("%s is neither beside this program nor on the PATH: build it with make build", operators)
	}
	return path, nil
}
