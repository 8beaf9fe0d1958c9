package attest_test

import (
	"bytes"
	"crypto/sha256"
	"sort"

	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/chaincode/ops/opstest"
)

// naive is how jobs are done as one would write it without Fabric in mind: one struct,
// words for phases, and money in a map. Its numbers are those of opstest.JobsPolicy.
type naive struct {
	time, elapsed, head uint64
	balance             map[string]int64
	earned              map[string]int64
	score               map[string]*naiveScore
	draws               map[uint64][]byte // seeds that were made
	jobs                []*naiveJob
}

type naiveScore struct {
	points, row int
	off         uint64
}

type naiveJob struct {
	id        []byte
	phase     string
	bad       bool
	ends      uint64
	due       uint64
	late      bool // a second quote came after the verdict
	back      bool // the deposit
	draw      uint64
	judged    uint64 // elapsed
	seats     []string
	committed map[string]int
	revealed  map[string]int
	verdict   string
	hold      int64
	deposit   int64
}

func newNaive() *naive {
	return &naive{balance: map[string]int64{}, earned: map[string]int64{}, score: map[string]*naiveScore{}, draws: map[uint64][]byte{}}
}

const expires = opstest.Start + 7200

func (n *naive) open(id []byte) fault.Code {
	if n.balance["consumer"] < charged {
		return fault.InsufficientFunds
	}
	n.balance["consumer"] -= charged
	n.jobs = append(n.jobs, &naiveJob{id: id, phase: "open", hold: charged, committed: map[string]int{}, revealed: map[string]int{}})
	return fault.OK
}

func (n *naive) accept(j *naiveJob) fault.Code {
	if j.phase != "open" {
		return fault.WrongPhase
	}
	if n.balance["operator"] < atStake {
		return fault.InsufficientFunds
	}
	n.balance["operator"] -= atStake
	j.deposit, j.phase, j.ends = atStake, "accepted", n.elapsed+100
	return fault.OK
}

func (n *naive) cancel(j *naiveJob) fault.Code {
	if j.phase != "open" {
		return fault.WrongPhase
	}
	n.balance["consumer"] += j.hold
	j.hold, j.phase, j.verdict = 0, "closed", "cancelled"
	return fault.OK
}

func (n *naive) evidence(j *naiveJob, bad bool) fault.Code {
	switch j.phase {
	case "drawing", "commit":
		return fault.AlreadyDone
	case "closed":
		if n.elapsed < j.due {
			return fault.AlreadyDone // it is the same output
		}
	case "accepted":
		if n.elapsed >= j.ends {
			return fault.TooLate
		}
		j.phase, j.bad, j.draw, j.due = "drawing", bad, n.head+1, n.elapsed+300
		return fault.OK
	}
	return fault.WrongPhase
}

func (n *naive) step(j *naiveJob, all []*opstest.User, network string) fault.Code {
	late := n.elapsed >= j.ends
	switch j.phase {
	case "open":
		if n.time <= expires {
			return fault.NotDue
		}
		j.phase = "lapsed"
	case "accepted":
		if !late {
			return fault.NotDue
		}
		j.phase = "overdue"
	case "drawing":
		if n.draws[j.draw] == nil {
			return fault.NotDue
		}
		j.seats = n.drawn(j, all, network)
		j.phase, j.ends = "commit", n.elapsed+100
	case "commit":
		if !late {
			return fault.NotDue
		}
		j.phase, j.judged, j.ends = "reveal", n.elapsed, n.elapsed+100
	case "reveal":
		if !late {
			return fault.NotDue
		}
		j.phase = "counting"
	default:
		return fault.WrongPhase
	}
	return fault.OK
}

// drawn finds one of each four's verifiers by the words of docs/formats/job.md.
func (n *naive) drawn(j *naiveJob, all []*opstest.User, network string) []string {
	var seats []string
	for org := range 4 {
		type place struct {
			hash []byte
			did  string
		}
		var places []place
		for i, u := range all {
			if s := n.score[u.DID]; i%4 != org || s != nil && s.off > n.elapsed {
				continue
			}
			text := append([]byte("killick.seat.v1"), byte(len(network)))
			text = append(append(append(append(text, network...), n.draws[j.draw]...), j.id...), u.ID[:]...)
			h := sha256.Sum256(text)
			places = append(places, place{h[:], u.DID})
		}
		sort.Slice(places, func(a, b int) bool { return bytes.Compare(places[a].hash, places[b].hash) < 0 })
		if len(places) > 0 {
			seats = append(seats, places[0].did)
		}
	}
	return seats
}

func (n *naive) sits(j *naiveJob, did string) bool {
	for _, s := range j.seats {
		if s == did {
			return true
		}
	}
	return false
}

func (n *naive) commit(j *naiveJob, did string, ballot int) fault.Code {
	switch {
	case j.phase != "commit":
		return fault.WrongPhase
	case !n.sits(j, did):
		return fault.NotDrawn
	case j.committed[did] != 0:
		return fault.AlreadyDone
	}
	j.committed[did] = ballot
	return fault.OK
}

func (n *naive) reveal(j *naiveJob, did string, ballot int) fault.Code {
	switch {
	case j.phase != "reveal":
		return fault.WrongPhase
	case !n.sits(j, did):
		return fault.NotDrawn
	case j.committed[did] == 0:
		return fault.NotFound
	case j.committed[did] != ballot:
		return fault.BallotDiffers
	case j.revealed[did] != 0:
		return fault.AlreadyDone
	}
	j.revealed[did] = ballot
	return fault.OK
}

func (n *naive) close(j *naiveJob) fault.Code {
	switch j.phase {
	case "closed":
		return fault.AlreadyDone
	case "lapsed":
		j.verdict = "cancelled"
	case "overdue":
		j.verdict = "expired"
		n.fromDeposit(j, nil)
	case "drawing":
		if n.head < j.draw+3 || n.draws[j.draw] != nil {
			return fault.NotDue
		}
		j.verdict = "expired"
	case "reveal", "counting":
		if j.phase == "reveal" && len(j.revealed) < len(j.committed) {
			return fault.NotDue
		}
		n.count(j)
	default:
		return fault.NotDue
	}
	j.phase = "closed"
	return fault.OK
}

func (n *naive) count(j *naiveJob) {
	truth := 1
	if j.bad {
		truth = 3
	}
	var right []string
	for _, did := range j.seats {
		if j.revealed[did] == truth {
			right = append(right, did)
		}
		n.stand(j, did, truth)
	}
	switch {
	case j.bad:
		j.verdict = "malicious"
		n.fromDeposit(j, right)
		n.earned["treasury"] += j.deposit // forfeited
		j.deposit = 0
	case len(right) >= 3:
		j.verdict = "valid"
		j.hold = 0
		n.earned["first owner"] += 250
		n.earned["second owner"] += 250
		n.earned["operator"] += 967
		n.earned["treasury"] += 33
		n.earned["residue"] += 401 - 100*int64(len(right))
		for _, did := range right {
			n.earned[did] += 100
		}
	default:
		j.verdict = "expired"
	}
}

func (n *naive) fromDeposit(j *naiveJob, right []string) {
	n.earned["first owner"] += 250
	n.earned["second owner"] += 250
	for _, did := range right {
		n.earned[did] += 100
	}
	j.deposit -= 500 + 100*int64(len(right))
}

func (n *naive) stand(j *naiveJob, did string, truth int) {
	s := n.score[did]
	if s == nil {
		s = &naiveScore{points: 100}
		n.score[did] = s
	}
	if s.off > 0 && s.off <= j.judged {
		*s = naiveScore{points: 100}
	}
	switch {
	case j.revealed[did] == truth:
		s.points, s.row = min(100, s.points+5), 0
	case j.revealed[did] != 0:
		s.points, s.row = max(0, s.points-30), 0
	default:
		s.points, s.row = max(0, s.points-40), s.row+1
	}
	if s.points < 50 || s.row >= 2 {
		s.off = max(s.off, j.judged+1000)
	}
}

// another is a quote of another output, after the verdict.
func (n *naive) another(j *naiveJob) fault.Code {
	if n.elapsed >= j.due {
		return fault.WrongPhase
	}
	if j.late || j.deposit == 0 {
		return fault.AlreadyDone
	}
	n.earned["treasury"] += j.deposit
	j.late, j.deposit = true, 0
	return fault.OK
}

func (n *naive) giveBack(j *naiveJob) fault.Code {
	switch {
	case j.back:
		return fault.AlreadyDone
	case n.elapsed < j.due:
		return fault.NotDue
	}
	n.balance["operator"] += j.deposit
	j.deposit, j.back = 0, true
	return fault.OK
}
