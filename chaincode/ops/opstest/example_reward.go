package opstest

import "github.com/killick-ledger/killick/chaincode/ops"

var rewardExamples = map[string]func(*Scene) *Example{
	"reward.pay": func(s *Scene) *Example {
		pay := Pay("usd", s.Bob, 5)
		pay.For = "an example"
		return &Example{Body: pay}
	},
	"reward.withdraw": func(*Scene) *Example {
		return &Example{Body: &ops.RewardWithdraw{Asset: "usd", Amount: 5, For: "an example"}}
	},
}
