package ui

import (
	"regexp"
	"strings"
)

// article is a reference to the GDPR: "32(1)(b)", "25(1)", "33" or "recital 26".
var article = regexp.MustCompile(`^(\d+)(?:\((\d+)\))?(?:\(([a-z])\))?$`)

// GDPR writes references to the GDPR as the language cites law: "Article 32, paragraphe 1,
// points a et b, du RGPD", "GDPR Article 32(1)(a) and (b)". What it does not understand is
// left as it is.
func (p *Printer) GDPR(refs []string) string {
	type provision struct {
		head   string
		points []string
	}
	var list []*provision
	byKey := map[string]*provision{}
	for _, ref := range refs {
		m := article.FindStringSubmatch(ref)
		if m == nil {
			text := ref
			if n, ok := strings.CutPrefix(ref, "recital "); ok {
				text = p.T("ui.gdpr.recital", "N", n)
			}
			list = append(list, &provision{head: text})
			continue
		}
		key := m[1] + "/" + m[2]
		pr := byKey[key]
		if pr == nil {
			head := p.T("ui.gdpr.article", "N", m[1])
			if m[2] != "" {
				head += p.T("ui.gdpr.paragraph", "N", m[2])
			}
			pr = &provision{head: head}
			byKey[key] = pr
			list = append(list, pr)
		}
		if m[3] != "" {
			pr.points = append(pr.points, p.T("ui.gdpr.letter", "L", m[3]))
		}
	}
	if len(list) == 0 {
		return ""
	}
	parts := make([]string, len(list))
	for i, pr := range list {
		parts[i] = pr.head
		switch len(pr.points) {
		case 0:
		case 1:
			parts[i] += p.T("ui.gdpr.point", "Points", pr.points[0])
		default:
			parts[i] += p.T("ui.gdpr.points", "Points", p.List(pr.points))
		}
	}
	whole := strings.Join(parts, " "+p.T("ui.list.and")+" ")
	if p.lang == "fr" && strings.Contains(whole, ",") {
		whole += "," // "article 32, paragraphe 1, du RGPD": the insertion is closed
	}
	return capital(p.T("ui.gdpr.whole", "Parts", whole))
}
