package tee

// parseDate reads "2006-01-02T15:04:05Z", the one form in Intel's collateral, from
// 1970 on.
func parseDate(text string) (uint64, bool) {
	const form = "0000-00-00T00:00:00Z"
	if len(text) != len(form) {
		return 0, false
	}
	var v [6]uint64
	field := 0
	for i := range len(form) {
		c := text[i]
		switch {
		case form[i] != '0':
			if c != form[i] {
				return 0, false
			}
			field++
		case c < '0' || c > '9':
			return 0, false
		default:
			v[field] = v[field]*10 + uint64(c-'0')
		}
	}
	year, month, day := v[0], v[1], v[2]
	if year < 1970 || month < 1 || month > 12 || day < 1 || day > monthDays(year, month) || v[3] > 23 || v[4] > 59 || v[5] > 59 {
		return 0, false
	}
	days := day - 1
	for m := uint64(1); m < month; m++ {
		days += monthDays(year, m)
	}
	before := year - 1
	days += 365*(year-1970) + before/4 - before/100 + before/400 - (1969/4 - 1969/100 + 1969/400)
	return days*86400 + v[3]*3600 + v[4]*60 + v[5], true
}

func monthDays(year, month uint64) uint64 {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// within says whether now lies in a validity, both ends included.
func within(in Part, from, to int64, now uint64) error {
	switch {
	case from > 0 && now < uint64(from):
		return refuse(in, Early, "valid from %d on, it is %d", from, now)
	case to < 0 || now > uint64(to):
		return refuse(in, Expired, "valid until %d, it is %d", to, now)
	}
	return nil
}
