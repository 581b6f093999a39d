package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

// child is a process of this program that answers each line of JSON with one.
type child struct {
	cmd     *exec.Cmd
	in      io.WriteCloser
	answers *bufio.Scanner
}

// start runs this program again in another part.
func start(ctx context.Context, args ...string) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	c := &child{cmd: exec.CommandContext(ctx, self, args...)} //nolint:gosec // this program
	if c.in, err = c.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	c.answers = bufio.NewScanner(out)
	c.cmd.Stderr = os.Stderr
	return c, c.cmd.Start()
}

// ask sends a question, unless it is nil, and reads the answer.
func (c *child) ask(question, answer any) error {
	if question != nil {
		if err := json.NewEncoder(c.in).Encode(question); err != nil {
			return err
		}
	}
	if !c.answers.Scan() {
		return errors.Join(errors.New("a child process has ended"), c.answers.Err())
	}
	return json.Unmarshal(c.answers.Bytes(), answer)
}

// stop ends the process by closing its input.
func (c *child) stop() error {
	if err := c.in.Close(); err != nil {
		return err
	}
	if err := c.cmd.Wait(); err != nil {
		return fmt.Errorf("a child process: %w", err)
	}
	return nil
}
