package story

// OtherBallot turns a ballot of a trail.
var OtherBallot = otherBallot
