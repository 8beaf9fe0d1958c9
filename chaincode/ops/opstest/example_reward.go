package opstest

var rewardExamples = map[string]func(*Scene) *Example{
	"reward.pay": func(s *Scene) *Example {
		pay := Pay("usd", s.Bob, 5)
		pay.For = "an example"
		return &Example{Body: pay}
	},
}
