package signin

import "strings"

// agentName makes a short name of browser and system of a User-Agent header, by which people
// tell their sessions apart. It is a courtesy, not a fact: the header says what it likes.
func agentName(header string) string {
	pick := func(table [][2]string) string {
		for _, t := range table {
			if strings.Contains(header, t[0]) {
				return t[1]
			}
		}
		return ""
	}
	// Edge and Opera call themselves Chrome too, Chrome calls itself Safari: the order decides.
	browser := pick([][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"Chrome/", "Chrome"}, {"CriOS/", "Chrome"}, {"Safari/", "Safari"},
	})
	system := pick([][2]string{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	})
	switch {
	case browser != "" && system != "":
		return browser + ", " + system
	case browser+system != "":
		return browser + system
	}
	return "?"
}
