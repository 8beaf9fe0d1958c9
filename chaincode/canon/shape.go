package canon

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"
	"sync"

	"github.com/go-json-experiment/json/jsontext"
)

type shapeKind uint8

const (
	stringShape shapeKind = iota
	boolShape
	intShape
	uintShape
	textShape // reads its own text from a string
	rawShape  // jsontext.Value: any value, as it is written
	pointerShape
	sliceShape
	structShape
)

// shape is what the decoder has to know of a Go type. It is made once for each
// type.
type shape struct {
	kind   shapeKind
	typ    reflect.Type
	elem   *shape  // of a pointer or slice
	fields []field // of a struct
}

type field struct {
	name  string
	index int
	shape *shape
}

// find returns the field with the name, -1 without one. Members mostly stand in
// the order of the fields, so it looks at next first.
func (s *shape) find(name []byte, next int) int {
	if next < len(s.fields) && string(name) == s.fields[next].name {
		return next
	}
	for i := range s.fields {
		if s.fields[i].name == string(name) {
			return i
		}
	}
	return -1
}

var shapes sync.Map // *shape by reflect.Type

// shapeOf returns the shape of a type. It panics for types that no format of
// ours has (maps, floats, interfaces, embedded structs), which the first test
// of a new type finds.
func shapeOf(t reflect.Type) *shape {
	if s, ok := shapes.Load(t); ok {
		return s.(*shape)
	}
	s := buildShape(t, map[reflect.Type]*shape{})
	shapes.Store(t, s)
	return s
}

var (
	rawType  = reflect.TypeFor[jsontext.Value]()
	textType = reflect.TypeFor[encoding.TextUnmarshaler]()
	jsonType = reflect.TypeFor[interface{ UnmarshalJSON([]byte) error }]()
)

func buildShape(t reflect.Type, begun map[reflect.Type]*shape) *shape {
	if s, ok := begun[t]; ok {
		return s // a type that holds itself
	}
	s := &shape{typ: t}
	begun[t] = s
	switch kind := t.Kind(); {
	case t == rawType:
		s.kind = rawShape
	case reflect.PointerTo(t).Implements(jsonType):
		panic(fmt.Sprintf("canon: %v reads JSON of its own, no format has that", t))
	case kind != reflect.Pointer && reflect.PointerTo(t).Implements(textType):
		s.kind = textShape
	case kind == reflect.String:
		s.kind = stringShape
	case kind == reflect.Bool:
		s.kind = boolShape
	case kind >= reflect.Int && kind <= reflect.Int64:
		s.kind = intShape
	case kind >= reflect.Uint && kind <= reflect.Uint64:
		s.kind = uintShape
	case kind == reflect.Pointer:
		s.kind, s.elem = pointerShape, buildShape(t.Elem(), begun)
	case kind == reflect.Slice && t.Elem().Kind() != reflect.Uint8:
		s.kind, s.elem = sliceShape, buildShape(t.Elem(), begun)
	case kind == reflect.Struct:
		s.kind = structShape
		s.addFields(begun)
	default:
		panic(fmt.Sprintf("canon: no format has a %v", t))
	}
	return s
}

func (s *shape) addFields(begun map[reflect.Type]*shape) {
	for i := range s.typ.NumField() {
		f := s.typ.Field(i)
		if f.Anonymous || len(s.fields) == 64 {
			panic(fmt.Sprintf("canon: %v embeds a struct or has more than 64 fields", s.typ))
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if !f.IsExported() || name == "-" {
			continue
		}
		if name == "" {
			name = f.Name
		}
		s.fields = append(s.fields, field{name, i, buildShape(f.Type, begun)})
	}
}
