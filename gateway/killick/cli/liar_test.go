package cli_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"github.com/killick-ledger/killick/gateway/api/apitest"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/client"
	"github.com/killick-ledger/killick/gateway/submit/submittest"
)

// liar is a gateway that gives a record another name, to whoever exports it and with
// each answer about it.
type liar struct {
	killickv1.UnimplementedKillickServer
	honest     killickv1.KillickClient
	ref, other string
	content    *killickv1.Content
}

func (l *liar) Events(in *killickv1.EventsRequest, to grpc.ServerStreamingServer[killickv1.Event]) error {
	from, err := l.honest.Events(to.Context(), in)
	for err == nil {
		var event *killickv1.Event
		if event, err = from.Recv(); err != nil {
			break
		}
		if event.Reference == l.ref {
			event.Reference = l.other
		}
		err = to.Send(event)
	}
	return err
}

func (l *liar) GetRecord(ctx context.Context, in *killickv1.GetRecordRequest) (*killickv1.Record, error) {
	r, err := l.honest.GetRecord(ctx, &killickv1.GetRecordRequest{Id: l.ref})
	if err == nil {
		r.Id = in.GetId()
	}
	return r, err
}

func (l *liar) FetchContent(context.Context, *killickv1.FetchContentRequest) (*killickv1.Content, error) {
	c := proto.CloneOf(l.content)
	c.Record = l.other
	return c, nil
}

// What a gateway says names no file outside the folder of an export. (PV-4)
func TestExportStaysInItsFolder(t *testing.T) {
	t.Parallel()
	w := founded(t, "alice")
	alice := w.path("alice.keys")
	ref := w.do("record", "submit", "--keys", alice, "--private", w.write("note.txt", "run me"))["record"].(string)
	honest, err := client.Dial(w.gateway)
	if err != nil {
		t.Fatal(err)
	}
	defer honest.Close()
	identity, err := client.Load(alice, []byte(passphrase))
	if err != nil {
		t.Fatal(err)
	}
	content, err := honest.Content(t.Context(), identity.On(submittest.Network), ref)
	if err != nil {
		t.Fatal(err)
	}
	lying := apitest.Between(t, w.gateway, func(honest killickv1.KillickClient) killickv1.KillickServer {
		return &liar{honest: honest, ref: ref, other: filepath.Join("..", "..", "planted"), content: content}
	})
	exit, out, errOut := w.run("--gateway", lying, "data", "export", "--keys", alice, "--out", w.path("data"))
	if exit != 1 {
		t.Errorf("exit %d, %s%s", exit, out, errOut)
	}
	if _, err := os.Stat(w.path("planted")); err == nil {
		t.Error("a file was planted")
	}
}
