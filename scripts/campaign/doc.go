// Package campaign holds tests only: the sender (anchor/send) with its real drivers,
// its journal on disk and the test nodes of both chains, while everything between
// them fails. Each fault comes as "not done" and as "done although it failed".
//
// What was sent is written down where it reaches a node, and at the end the chains'
// blocks are read again: the journal has to agree with them. A schedule of faults
// depends on its seed alone; a failing one names it:
//
//	go test ./scripts/campaign -run Schedules -seed 4711 -schedules 1
package campaign
