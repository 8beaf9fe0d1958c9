//go:build js

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"syscall/js"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// main gives the page two functions and stays until the page is closed:
//
//	killickVerify(question, post) -> Promise of the report as JSON
//	killickTamper(name, bundle)   -> the forged bundle, or the reason why not
//
// and the list killickForgeries. post(url, body, limit, milliseconds) -> Promise of the
// reply's bytes, or of a text that says why there are none; it gives up by itself.
func main() {
	js.Global().Set("killickForgeries", string(encoded(forgeries)))
	js.Global().Set("killickTamper", js.FuncOf(func(_ js.Value, args []js.Value) any {
		out, err := tamper(args[0].String(), octetsOf(args[1]))
		if err != nil {
			return err.Error()
		}
		return bytesTo(out)
	}))
	js.Global().Set("killickVerify", js.FuncOf(func(_ js.Value, args []js.Value) any {
		q, network := questionOf(args[0]), over(args[1])
		return promise(func() string { return string(encoded(q.answer(context.Background(), network))) })
	}))
	js.Global().Call("killickReady")
	select {}
}

func encoded(v any) []byte {
	// A bundle or an endpoint may have put bytes into a text that are not UTF-8.
	out, err := json.Marshal(v, jsontext.AllowInvalidUTF8(true))
	if err != nil {
		panic(fmt.Sprintf("encode %T: %v", v, err)) // types of ours, which have a form
	}
	return bytes.ToValidUTF8(out, []byte("\ufffd"))
}

// promise runs f, which may wait, in a goroutine of its own.
func promise(f func() string) js.Value {
	var executor js.Func
	executor = js.FuncOf(func(_ js.Value, args []js.Value) any {
		executor.Release()
		resolve := args[0]
		go func() { resolve.Invoke(f()) }()
		return nil
	})
	return js.Global().Get("Promise").New(executor)
}

func questionOf(v js.Value) question {
	return question{
		bundle: octetsOf(v.Get("bundle")), policy: octetsOf(v.Get("policy")), oneEndpoint: v.Get("oneEndpoint").Bool(),
		evm: textsOf(v.Get("evm")), tron: textsOf(v.Get("tron")), headers: textsOf(v.Get("headers")),
	}
}

func textsOf(v js.Value) (out []string) {
	for i := range v.Length() {
		out = append(out, v.Index(i).String())
	}
	return out
}

func octetsOf(v js.Value) []byte {
	out := make([]byte, v.Get("length").Int())
	js.CopyBytesToGo(out, v)
	return out
}

func bytesTo(b []byte) js.Value {
	out := js.Global().Get("Uint8Array").New(len(b))
	js.CopyBytesToJS(out, b)
	return out
}

// over is the transport that the page's post is.
func over(post js.Value) transport {
	return func(ctx context.Context, url string, body []byte) ([]byte, error) {
		type reply struct {
			data []byte
			err  error
		}
		done := make(chan reply, 1)
		settled := js.FuncOf(func(_ js.Value, args []js.Value) any {
			if v := args[0]; v.Type() == js.TypeString {
				done <- reply{err: errors.New(v.String())}
			} else {
				done <- reply{data: octetsOf(v)}
			}
			return nil
		})
		defer settled.Release()
		timeout := patience
		if until, ok := ctx.Deadline(); ok {
			timeout = max(0, time.Until(until))
		}
		post.Invoke(url, string(body), maxReply+1, timeout.Milliseconds()).Call("then", settled)
		r := <-done
		return r.data, r.err
	}
}
