// Package ui is the design system: words in French and English, formats, components, layouts and
// the files that pages load. It knows nothing of measures or HTTP routes.
//
// # Words
//
//	msgs, err := ui.NewMessages(engine.Messages(), page.Messages()) // language → YAML
//	p := msgs.For("fr", zone)
//	p.T("backup.kept", "Count", 14)   // "{Count} copies" → "14 copies"; plural by Count
//	p.CountOf(14, "adresse", "adresses"), p.Duration(d), p.Ago(t, now), p.Instant(t) …
//
// Messages are YAML, flat or nested: id: text, or id: {one: …, other: …}. Placeholders are
// {Name}, with a capital. Words that are missing show as ⟦id⟧. French text is typeset as it is
// read: write an ordinary space before ; : ! ? % and inside « ». Numbers are bound to units by
// U+00A0, thousands by U+202F. Ids of this package begin with "ui."; those that begin with
// "web." are the words of errors of package web.
//
// # Pages
//
//	t, err := ui.Parse("console", fsys, "templates/desk.html") // "public", "console", "card"
//	err = ui.Render(w, t, &ui.Page{Printer: p, Title: …, Path: …, Site: …, Body: desk})
//
// A page's file defines "main"; it may define "head", and for the console "lead" (below the
// heading) and "actions" (buttons beside it). In all of them "." is the *Page and .Body the
// page's own struct. "console" and "card" write <h1> from Page.Title; "public" pages write their
// own. Functions of templates, where $ is the page:
//
//	t $ "id" "Name" value …      words
//	number $ 1234                count $ 14 "adresse" "adresses"    duration $ .Every
//	day $ .At   clock $ .At   instant $ .At   ago $ .At   until $ .At      <time> elements
//	state $ .State (word)        pill $ .State        kind $ .Kind          chip "text"
//	strip $ .Days ([]ui.Day)     bar $ .Counts (map[ui.State]int)           fact $ .Fact (ui.Fact)
//	notice $ .Notice (*ui.Notice, nil: nothing)       alert $ "danger" "text"
//	field $ .Field   button .Button   action .Action   table $ .Table   empty .Empty
//	details $ .Details   crumbs $ .Links   progress $ .Progress   pager $ .Pager
//	copy $ "label" "text"        code "text"          digest "hex"
//	icon "name"   asset "file"   dict "Name" value …   list a b …
//
// State and Kind may be any type whose underlying type is a string. A state that is not known is
// shown as not proven. Classes that pages use by themselves: lead, eyebrow, quiet-text, unseen,
// form, buttons, cards, panel, facts-list, table-frame > table.table.table-stack (cells with
// data-label), number.
//
// Pages load nothing from elsewhere and hold no inline script and no style attribute: they work
// under the Content-Security-Policy of package web. Drawings are SVG with classes.
package ui
