package page

import "fmt"

// The badge's measures, in pixels; a digit of its font is about 7 wide.
const (
	badgeLabel = 45
	badgeDigit = 7
	badgePad   = 12
	badgeSpace = 3
)

// Badge is a picture of a number of visits, as SVG. They are those of a period, such as 24h, unless
// it is empty.
func Badge(visits int64, period string) []byte {
	number, label, text, of := Grouped(visits), badgeLabel, "visits", ""
	if period != "" {
		label, text, of = badgeLabel+badgeSpace+badgeDigit*len(period), "visits "+period, " in "+period
	}
	digits := len(fmt.Sprint(visits))
	value := badgePad + badgeDigit*digits + badgeSpace*((digits-1)/3)
	return fmt.Appendf(nil, `<svg xmlns="http://www.w3.org/2000/svg" width="%[1]d" height="20" role="img" aria-label="visits%[9]s: %[5]d">`+
		`<title>visits%[9]s: %[5]d</title><rect width="%[1]d" height="20" rx="3" fill="#444"/>`+
		`<path d="M%[2]d 0h%[3]dq3 0 3 3v14q0 3-3 3h-%[3]dz" fill="#06795f"/>`+
		`<g fill="#fff" text-anchor="middle" font-family="Verdana,Geneva,DejaVu Sans,sans-serif" font-size="11">`+
		`<text x="%[6]d" y="14">%[8]s</text><text x="%[7]d" y="14">%[4]s</text></g></svg>`,
		label+value, label, value-3, number, visits, label/2, label+value/2, text, of)
}
