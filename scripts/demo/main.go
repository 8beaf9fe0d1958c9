// Command demo runs Killick's main job on a real consortium and prints it, then
// takes everything down again.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/killick-ledger/killick/scripts/story"
)

func main() {
	bin := flag.String("bin", ".killick/bin", "folder of the built programs")
	data := flag.String("data", ".", "folder whose files are the story's data")
	keep := flag.String("keep", "", "folder to keep keys, logs and bundles in (default: none, everything is removed)")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: demo [flags]\n\nRuns the main job on a real consortium with free ports in a folder of its own.")
		flag.PrintDefaults()
	}
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	if err := run(ctx, *bin, *data, *keep); err != nil {
		fmt.Fprintln(os.Stderr, "demo:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, bin, data, keep string) (err error) {
	bin, err = filepath.Abs(bin)
	if err != nil {
		return err
	}
	dir := keep
	if dir == "" {
		if dir, err = os.MkdirTemp("", "killick-demo-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	} else if dir, err = filepath.Abs(dir); err != nil {
		return err
	}
	w, err := story.Start(ctx, story.Options{Bin: bin, Dir: dir, Data: data, Out: os.Stdout})
	if err != nil {
		return err
	}
	defer func() {
		if stopped := w.Close(); err == nil && stopped == nil {
			fmt.Println("\nEverything is stopped and removed again.")
		} else if err == nil {
			err = stopped
		}
	}()
	return w.Run(ctx)
}
