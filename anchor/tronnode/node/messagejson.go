package node

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/known/anypb"
)

// toJSON writes a message as /wallet does: fields by their names in the .proto
// files, nothing for what is zero, bytes in hexadecimal without prefix, enums by
// name, an Any as its message under "value".
func toJSON(m proto.Message) map[string]any {
	out := map[string]any{}
	m.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		name := string(fd.Name())
		switch {
		case fd.IsMap(): // none of the messages served has one that is set
		case fd.IsList():
			list := []any{}
			for i := range v.List().Len() {
				list = append(list, valueJSON(fd, v.List().Get(i)))
			}
			out[name] = list
		default:
			out[name] = valueJSON(fd, v)
		}
		return true
	})
	return out
}

func valueJSON(fd protoreflect.FieldDescriptor, v protoreflect.Value) any {
	switch fd.Kind() {
	case protoreflect.BytesKind:
		return hex.EncodeToString(v.Bytes())
	case protoreflect.EnumKind:
		if e := fd.Enum().Values().ByNumber(v.Enum()); e != nil {
			return string(e.Name())
		}
		return int32(v.Enum())
	case protoreflect.MessageKind:
		inner := v.Message().Interface()
		packed, ok := inner.(*anypb.Any)
		if !ok {
			return toJSON(inner)
		}
		out := map[string]any{"type_url": packed.GetTypeUrl()}
		if m, err := packed.UnmarshalNew(); err == nil {
			out["value"] = toJSON(m)
		}
		return out
	}
	return v.Interface()
}

// fromJSON reads a message that is written so. Fields that it does not have are
// refused.
func fromJSON(into protoreflect.Message, from map[string]any) error {
	for name, v := range from {
		fd := into.Descriptor().Fields().ByName(protoreflect.Name(name))
		if fd == nil || fd.IsMap() {
			return fmt.Errorf("%s has no field %q", into.Descriptor().Name(), name)
		}
		if !fd.IsList() {
			value, err := fieldValue(fd, into.NewField(fd), v)
			if err != nil {
				return err
			}
			into.Set(fd, value)
			continue
		}
		items, ok := v.([]any)
		if !ok {
			return fmt.Errorf("field %q is not a list", name)
		}
		list := into.Mutable(fd).List()
		for _, item := range items {
			value, err := fieldValue(fd, list.NewElement(), item)
			if err != nil {
				return err
			}
			list.Append(value)
		}
	}
	return nil
}

// fieldValue reads a field's value; empty is one of its type.
func fieldValue(fd protoreflect.FieldDescriptor, empty protoreflect.Value, v any) (protoreflect.Value, error) {
	wrong := fmt.Errorf("field %q: unexpected value", fd.Name())
	text, isText := v.(string)
	switch fd.Kind() {
	case protoreflect.MessageKind:
		inner, ok := v.(map[string]any)
		if !ok {
			return empty, wrong
		}
		if packed, ok := empty.Message().Interface().(*anypb.Any); ok {
			return empty, pack(packed, inner)
		}
		return empty, fromJSON(empty.Message(), inner)
	case protoreflect.BytesKind:
		b, err := hex.DecodeString(text)
		if err != nil || !isText {
			return empty, wrong
		}
		return protoreflect.ValueOfBytes(b), nil
	case protoreflect.EnumKind:
		if e := fd.Enum().Values().ByName(protoreflect.Name(text)); e != nil {
			return protoreflect.ValueOfEnum(e.Number()), nil
		}
		n, err := strconv.ParseInt(fmt.Sprint(v), 10, 32)
		if err != nil {
			return empty, wrong
		}
		return protoreflect.ValueOfEnum(protoreflect.EnumNumber(n)), nil
	case protoreflect.StringKind:
		if !isText {
			return empty, wrong
		}
		return protoreflect.ValueOfString(text), nil
	case protoreflect.BoolKind:
		b, ok := v.(bool)
		if !ok {
			return empty, wrong
		}
		return protoreflect.ValueOfBool(b), nil
	case protoreflect.Int32Kind, protoreflect.Int64Kind:
		return intValue(fd, v, wrong)
	}
	return empty, wrong
}

// intValue reads a number, which a query has as text.
func intValue(fd protoreflect.FieldDescriptor, v any, wrong error) (protoreflect.Value, error) {
	switch v.(type) {
	case json.Number, string:
	default:
		return protoreflect.Value{}, wrong
	}
	bits := 64
	if fd.Kind() == protoreflect.Int32Kind {
		bits = 32
	}
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, bits)
	if err != nil {
		return protoreflect.Value{}, wrong
	}
	if bits == 32 {
		return protoreflect.ValueOfInt32(int32(n)), nil
	}
	return protoreflect.ValueOfInt64(n), nil
}

// pack encodes {"type_url": URL, "value": MESSAGE}.
func pack(into *anypb.Any, from map[string]any) error {
	url, _ := from["type_url"].(string)
	value, ok := from["value"].(map[string]any)
	t, err := protoregistry.GlobalTypes.FindMessageByURL(url)
	if err != nil || !ok || len(from) != 2 {
		return fmt.Errorf("a parameter is a type_url and a value, not %q", url)
	}
	m := t.New()
	if err := fromJSON(m, value); err != nil {
		return err
	}
	into.TypeUrl, into.Value = url, marshal(m.Interface())
	return nil
}
