// Command soak runs a consortium under load, kills and freezes its processes at
// random within what it tolerates, and then compares to the operation what clients
// were told, what the gateways' journals say, and what the ledger holds.
//
// It exits 0 when all is equal, 2 when something differs, and 1 when it could not
// run to the end. The first interrupt ends the load early and compares what was
// done so far, the second one ends everything.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// settings are the flags.
type settings struct {
	bin, dir string
	length   time.Duration // of the load
	seed     uint64        // of the schedule and of the clients
	ordering string        // smartbft or raft
	pace     time.Duration // mean time from the end of a fault to the next; 0: no faults
	rate     int           // operations a second that clients sign at most
}

func main() {
	var s settings
	flag.StringVar(&s.bin, "bin", ".killick/bin", "folder of the built programs")
	flag.StringVar(&s.dir, "dir", "", "folder to keep the network, logs and journals in (default: a temporary one, removed when all is equal)")
	flag.DurationVar(&s.length, "for", 10*time.Minute, "how long clients send operations")
	flag.Uint64Var(&s.seed, "seed", 0, "seed of victims and pauses, and of what clients draw (default: the time)")
	flag.StringVar(&s.ordering, "ordering", smartbft, "smartbft or raft")
	flag.DurationVar(&s.pace, "pace", 5*time.Second, "mean time from the recovery of a fault to the next one; 0: no faults")
	flag.IntVar(&s.rate, "ops", 150, "operations a second that clients sign at most")
	flag.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "usage: soak [flags]\n\nKills processes of a consortium under load and reconciles receipts, journals and ledger afterwards.")
		flag.PrintDefaults()
	}
	flag.Parse()
	if s.seed == 0 {
		s.seed = uint64(time.Now().UnixNano())
	}
	err := run(s)
	switch {
	case errors.Is(err, errDifferent):
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

// errDifferent says that the sides do not agree.
var errDifferent = errors.New("receipts, journals and ledger are not equal")

// run makes the folder, and a context for each interrupt.
func run(s settings) (err error) {
	if flag.NArg() > 0 || s.length <= 0 || s.pace < 0 || s.rate < 1 || s.ordering != smartbft && s.ordering != raft {
		return errors.New("flags: -for and -ops must be positive, -pace not negative, -ordering smartbft or raft, and nothing may follow")
	}
	if s.bin, err = filepath.Abs(s.bin); err != nil {
		return err
	}
	if s.dir != "" {
		s.dir, err = filepath.Abs(s.dir)
	} else {
		s.dir, err = os.MkdirTemp("", "killick-soak-")
		defer func() {
			if err == nil {
				err = os.RemoveAll(s.dir)
			} else {
				fmt.Fprintln(os.Stderr, "soak: logs and journals are in", s.dir)
			}
		}()
	}
	if err != nil {
		return err
	}
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	all, end := context.WithCancel(context.Background())
	defer end()
	load, endLoad := context.WithCancel(all)
	go func() {
		<-interrupts
		fmt.Println("interrupted: the load ends, what was done is compared; interrupt again to end at once")
		endLoad()
		<-interrupts
		end()
	}()
	return soak(all, load, s)
}
