package transform

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/garant-project/garant/internal/engine/anonymise/names"
	"github.com/garant-project/garant/internal/engine/anonymise/personal"
)

// place draws the town of a person or of a value.
type place struct {
	lists   *names.Lists
	town    *mac
	subject bool // the person's town, so that postcode and town of a row belong together
	fold    []byte
	other   []byte
}

func (m *maker) place() place {
	return place{lists: m.language(), town: m.env.Key.mac("town"), subject: m.text("by", "value", "value", "subject") == "subject"}
}

// of returns the town for a folded value of a row, again counting.
func (p *place) of(folded []byte, row Row, again int) names.Town {
	if p.subject && row.Subject != nil {
		folded = row.Subject
	}
	return p.lists.Towns[p.town.draw(folded, again).Below(len(p.lists.Towns))]
}

// townTransformer replaces the names of towns. Towns are few: the source may have the one that is drawn, its own row does not.
type townTransformer struct {
	standing
	place
	limit int
}

// Append implements Transformer.
func (t *townTransformer) Append(dst, value []byte, row Row) ([]byte, error) {
	if t.fold = names.AppendFold(t.fold[:0], value); len(t.fold) == 0 {
		return appendValid(dst, value), nil
	}
	s, _ := styleOf(value)
	for again := 0; ; again++ {
		t.other = append(t.other[:0], t.of(t.fold, row, again).Name...)
		start := len(dst)
		out := cut(appendStyled(dst, t.other, s, false), start, t.limit)
		if t.other = names.AppendFold(t.other[:0], out[start:]); string(t.other) != string(t.fold) || again > tries {
			return out, nil
		}
	}
}

func makeTown(m *maker) (Transformer, error) {
	return &townTransformer{place: m.place(), limit: m.limit()}, nil
}

// postcodeTransformer replaces postcodes by those of other towns.
type postcodeTransformer struct {
	standing
	place
	limit  int
	number bool
}

// Append implements Transformer.
func (t *postcodeTransformer) Append(dst, value []byte, row Row) ([]byte, error) {
	if t.fold = names.AppendFold(t.fold[:0], value); len(t.fold) == 0 {
		return appendValid(dst, value), nil
	}
	for again := 0; ; again++ {
		code := t.of(t.fold, row, again).Postcode
		start := len(dst)
		out := dst
		out = append(out, code...)
		if t.number {
			n := start
			for n < len(out) && '0' <= out[n] && out[n] <= '9' {
				n++
			}
			out = out[:n]
			for len(out) > start+1 && out[start] == '0' {
				out = append(out[:start], out[start+1:]...)
			}
		}
		out = cut(out, start, t.limit)
		if t.other = names.AppendFold(t.other[:0], out[start:]); string(t.other) != string(t.fold) || again > tries {
			return out, nil
		}
	}
}

func makePostcode(m *maker) (Transformer, error) {
	if m.column.Type == "smallint" {
		return nil, fmt.Errorf("type smallint has no room for a postcode; take generalise")
	}
	return &postcodeTransformer{place: m.place(), limit: m.limit(), number: m.family == Integer}, nil
}

// addressTransformer replaces streets with house numbers; of an address of several lines, or with a postcode in it, also postcode and town.
type addressTransformer struct {
	standing
	place
	mac   *mac
	taken func([]byte) bool
	limit int
	line  []byte
}

// Append implements Transformer.
func (t *addressTransformer) Append(dst, value []byte, row Row) ([]byte, error) {
	trimmed := bytes.TrimSpace(value)
	if t.fold = names.AppendFold(t.fold[:0], trimmed); len(t.fold) == 0 {
		return appendValid(dst, value), nil
	}
	key := t.fold
	s, _ := styleOf(value)
	separator := separatorOf(trimmed)
	start := len(dst)
	for again := range tries {
		t.line = t.lists.AppendStreet(t.line[:0], t.mac.draw(key, again))
		if separator != "" {
			town := t.of(key, row, again)
			t.line = append(t.line, separator...)
			if t.lists.Language == names.English {
				t.line = append(append(append(t.line, town.Name...), ' '), town.Postcode...)
			} else {
				t.line = append(append(append(t.line, town.Postcode...), ' '), town.Name...)
			}
		}
		if s != upper {
			dst = append(dst[:start], t.line...)
		} else {
			dst = appendStyled(dst[:start], t.line, upper, false)
		}
		dst = cut(dst, start, t.limit)
		if !t.taken(dst[start:]) {
			return dst, nil
		}
	}
	return dst, errExhausted
}

// separatorOf tells what stands between street and town; "" when an address is only a street.
func separatorOf(value []byte) string {
	if bytes.IndexByte(value, '\n') >= 0 {
		return "\n"
	}
	if at := bytes.IndexByte(value, ','); at >= 0 {
		run := 0
		for _, c := range value[at:] {
			if run++; c < '0' || c > '9' {
				run = 0
			}
			if run == 4 {
				return ", "
			}
		}
	}
	return ""
}

func makeAddress(m *maker) (Transformer, error) {
	return &addressTransformer{place: m.place(), mac: m.env.Key.mac("address"), taken: m.taken(personal.Address), limit: m.limit()}, nil
}

// coordinatesTransformer moves each number of a value into the cell of a grid that it lies in, at a place that the key chooses. It says in which cell somebody
// was, and no more.
type coordinatesTransformer struct {
	standing
	mac  *mac
	cell float64 // degrees
	text []byte
}

// Append implements Transformer.
func (t *coordinatesTransformer) Append(dst, value []byte, _ Row) ([]byte, error) {
	for i := 0; i < len(value); {
		c := value[i]
		if (c < '0' || c > '9') && (c != '-' || i+1 >= len(value) || value[i+1] < '0' || value[i+1] > '9') {
			if c < utf8.RuneSelf && c != 0 { // a value of another alphabet is none
				dst = append(dst, c)
			}
			i++
			continue
		}
		end, point := i+1, -1
		for end < len(value) && (value[end] >= '0' && value[end] <= '9' || value[end] == '.' && point < 0) {
			if value[end] == '.' {
				point = end
			}
			end++
		}
		var err error
		if dst, err = t.appendMoved(dst, value[i:end], point-i); err != nil {
			return dst, err
		}
		if i = end; i < len(value) && value[i]|0x20 == 'e' { // 1e-05, as a double is written near 0
			for i++; i < len(value) && (value[i] == '-' || value[i] == '+' || '0' <= value[i] && value[i] <= '9'); i++ {
			}
		}
	}
	return dst, nil
}

func (t *coordinatesTransformer) appendMoved(dst, number []byte, point int) ([]byte, error) {
	v, err := strconv.ParseFloat(string(number), 64)
	if err != nil || math.Abs(v) > 1e9 {
		return dst, fmt.Errorf("a value holds a number that is no coordinate")
	}
	decimals := 0
	if point > 0 {
		decimals = min(len(number)-point-1, 8)
	}
	low := math.Floor(v/t.cell) * t.cell
	for again := range tries {
		share := float64(t.mac.draw(number, again).uint64()>>11) / (1 << 53)
		t.text = strconv.AppendFloat(t.text[:0], low+share*t.cell, 'f', decimals, 64)
		if string(t.text) != string(number) {
			break
		}
	}
	return append(dst, t.text...), nil
}

func makeCoordinates(m *maker) (Transformer, error) {
	return &coordinatesTransformer{mac: m.env.Key.mac("coordinates"), cell: float64(m.integer("millidegrees", 100, 1, 90_000)) / 1000}, nil
}
