package ops_test

import (
	"testing"

	"github.com/killick-ledger/killick/chaincode/ops"
)

func TestSelfTest(t *testing.T) {
	if err := ops.SelfTest(); err != nil {
		t.Error(err)
	}
}
