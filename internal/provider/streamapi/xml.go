package streamapi

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
)

// Bounds of an answer, beyond its size.
const (
	maxDepth    = 16
	maxElements = 50_000
)

// element is an element of an answer. The vendor's pages name elements but show neither the root nor all
// wrappers, so elements are found by name at any depth.
type element struct {
	name     string
	id       string // the attribute id
	text     string // what is directly in it
	children []*element
}

// errXML marks an answer that cannot be read. It says nothing of what stood in it.
var errXML = errors.New("the answer is no XML document as expected")

// parse reads one XML document. Declarations (DTDs, and so entities of their own) and documents that nest or
// number too much are errors.
func parse(body []byte) (*element, error) {
	d := xml.NewDecoder(bytes.NewReader(body))
	var top element
	open := []*element{&top}
	for count := 0; ; {
		token, err := d.Token()
		if errors.Is(err, io.EOF) && len(open) == 1 && len(top.children) == 1 {
			return top.children[0], nil
		}
		if err != nil {
			return nil, errXML
		}
		current := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			count++
			if count > maxElements || len(open) > maxDepth {
				return nil, errXML
			}
			child := &element{name: token.Name.Local, id: idOf(token)}
			current.children = append(current.children, child)
			open = append(open, child)
		case xml.EndElement:
			current.text = strings.TrimSpace(current.text)
			open = open[:len(open)-1]
		case xml.CharData:
			if len(open) == 1 && len(bytes.TrimSpace(token)) > 0 {
				return nil, errXML
			}
			current.text += string(token)
		case xml.Directive:
			return nil, errXML
		case xml.ProcInst:
			if token.Target != "xml" {
				return nil, errXML
			}
		}
	}
}

func idOf(start xml.StartElement) string {
	for _, a := range start.Attr {
		if a.Name.Local == "id" {
			return a.Value
		}
	}
	return ""
}

// all returns the elements of that name below e, in document order. It does not look inside those it finds.
func (e *element) all(name string) []*element {
	var found []*element
	for _, c := range e.children {
		if c.name == name {
			found = append(found, c)
		} else {
			found = append(found, c.all(name)...)
		}
	}
	return found
}

// value returns the text of the one element of that name below e; ok is false when there is none, or more
// than one.
func (e *element) value(name string) (text string, ok bool) {
	found := e.all(name)
	if len(found) != 1 {
		return "", false
	}
	return found[0].text, true
}
