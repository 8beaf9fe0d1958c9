// Package tee appraises quotes of Intel SGX and TDX: from the bytes of a quote, the
// collateral that Intel signs, pinned roots and a time it says whether the quote is
// genuine, what it measures and how current the platform is. It is pure and
// deterministic: no clock, no network, no cache; equal bytes give equal answers.
//
// It never trusts a certificate because a quote brings it, and never fetches
// anything. Times are seconds since 1970; all ends of validity are inclusive. What
// is allocated is bounded by MaxQuote and MaxCollateral, whatever lengths the bytes
// state.
//
// A refusal is a *Refusal: it names the part that failed and why. Statuses such as
// OutOfDate are no refusals: the appraisal returns them, a Policy decides what is
// enough. docs/formats/tee.md has the layouts, the statuses and all reasons.
package tee
