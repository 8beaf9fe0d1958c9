// Package send brings intents to a public chain exactly once.
package send
