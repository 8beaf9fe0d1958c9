package api

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"iter"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/killick-ledger/killick/chaincode/canon"
	"github.com/killick-ledger/killick/chaincode/did"
	"github.com/killick-ledger/killick/chaincode/fault"
	"github.com/killick-ledger/killick/gateway/api/killickv1"
	"github.com/killick-ledger/killick/gateway/events"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// sendLimit is how long a client may take to accept a page of events.
const sendLimit = 30 * time.Second

// reconnect tells browsers how many milliseconds to wait before they connect
// again.
const reconnect = 1000

// The media types of the stream.
const (
	eventStream = "text/event-stream"
	jsonLines   = "application/x-ndjson"
)

// Events sends operations and their results as the ledger goes on. Errors:
// fault.InvalidValue, fault.UnknownOperation, fault.WrongNetwork,
// fault.Overloaded, fault.Unavailable.
func (s *Server) Events(in *killickv1.EventsRequest, stream grpc.ServerStreamingServer[killickv1.Event]) error {
	ctx := stream.Context()
	if err := checkEvents(in); err != nil {
		return s.refuse(ctx, err)
	}
	end := ctx.Value(endOf{}).(context.CancelFunc)
	for page, err := range s.follow(ctx, in) {
		if err != nil {
			return s.refuse(ctx, err)
		}
		// A client may keep its connection alive and take nothing.
		stuck := time.AfterFunc(sendLimit, end)
		for _, e := range page {
			if err := stream.Send(e); err != nil {
				stuck.Stop()
				return err
			}
		}
		if !stuck.Stop() {
			return ctx.Err()
		}
	}
	return nil
}

// checkEvents refuses a request for events that is larger than it can be over REST:
// it is kept for as long as its stream.
func checkEvents(in *killickv1.EventsRequest) error {
	if size := proto.Size(in); size > maxSingle {
		return fault.New(fault.TooLarge, "the message has %d bytes, more than %d", size, maxSingle)
	}
	return checkMessage(in)
}

// follow yields events page by page; a page without events is a mark.
func (s *Server) follow(ctx context.Context, in *killickv1.EventsRequest) iter.Seq2[[]*killickv1.Event, error] {
	return func(yield func([]*killickv1.Event, error) bool) {
		request := events.Request{Cursor: in.GetCursor(), Block: in.Block, Now: in.GetNow(), Actors: in.GetActor(), Operations: in.GetOperation()}
		for page, err := range s.cfg.Events.Follow(ctx, request) {
			if err != nil {
				yield(nil, err)
				return
			}
			out := make([]*killickv1.Event, 0, max(1, len(page.Events)))
			for i := range page.Events {
				out = append(out, s.renderEvent(&page.Events[i]))
			}
			if len(out) == 0 {
				out = append(out, &killickv1.Event{Cursor: page.Next.Cursor(s.cfg.Network), Block: page.Next.Block})
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

func (s *Server) renderEvent(e *events.Event) *killickv1.Event {
	r := e.Result
	out := &killickv1.Event{
		Cursor: e.Next.Cursor(s.cfg.Network), Block: e.Block, Transaction: e.Transaction, Id: hex.EncodeToString(r.Reference.ID[:]),
		Reference: r.Reference.String(), Operation: r.Op, Actor: did.String(s.cfg.Network, r.Actor), Code: r.Code.String(), Created: r.Created,
		Simulated: canon.Simulated(s.cfg.Network),
	}
	if p := r.Postings; p != nil {
		out.Payment = &killickv1.Payment{Asset: p.Asset, Epoch: p.Epoch}
		for _, l := range p.Lines {
			out.Payment.Lines = append(out.Payment.Lines, &killickv1.PaymentLine{
				To: did.String(s.cfg.Network, l.Payee), Amount: strconv.FormatInt(int64(l.Amount), 10),
			})
		}
	}
	if v := r.Record; v != nil {
		out.Record = &killickv1.RecordVersion{Id: v.Record.String(), Version: v.Version}
	}
	return out
}

// serveEvents is the REST form of Events.
func (s *Server) serveEvents(w http.ResponseWriter, r *http.Request) {
	ctx := r.Context()
	request, media, err := eventsRequest(r)
	if err != nil {
		s.writeProblem(ctx, w, err)
		return
	}
	out := &eventWriter{w: w, control: http.NewResponseController(w), marshal: newMarshaler(), lines: media == jsonLines}
	begun := false
	for page, err := range s.follow(ctx, request) {
		switch {
		case err != nil && !begun:
			s.writeProblem(ctx, w, err)
			return
		case err != nil:
			out.problem(s.refuse(ctx, err).problem())
			return
		case !begun:
			begun = true
			if err := out.begin(media); err != nil {
				return
			}
		}
		if err := out.page(page); err != nil {
			return // the client is gone, or takes nothing
		}
	}
}

// eventsRequest reads the query and headers of a request for events.
func eventsRequest(r *http.Request) (*killickv1.EventsRequest, string, error) {
	if r.Method != http.MethodGet {
		return nil, "", routing(r, http.StatusMethodNotAllowed)
	}
	media, err := eventsMedia(r.Header.Values("Accept"))
	if err != nil {
		return nil, "", err
	}
	q := r.URL.Query() // read before by checkURL
	in := &killickv1.EventsRequest{Cursor: q.Get("cursor"), Actor: q["actor"], Operation: q["operation"]}
	if q.Has("block") {
		n, err := strconv.ParseUint(q.Get("block"), 10, 64)
		if err != nil {
			return nil, "", fault.New(fault.InvalidValue, "block: %.40q is no number of a block", q.Get("block"))
		}
		in.Block = &n
	}
	switch v := q.Get("now"); v {
	case "", "false":
	case "true":
		in.Now = true
	default:
		return nil, "", fault.New(fault.InvalidValue, "now: %.40q is neither true nor false", v)
	}
	// A browser that connects again repeats the URL of the first time.
	if last := r.Header.Get("Last-Event-ID"); last != "" {
		in.Cursor, in.Block, in.Now = last, nil, false
	}
	return in, media, nil
}

// eventsMedia chooses a media type that the client takes: server-sent events where
// it leaves the choice.
func eventsMedia(accept []string) (string, error) {
	chosen := ""
	for _, part := range strings.Split(strings.Join(accept, ","), ",") {
		media, parameters, err := mime.ParseMediaType(part)
		if err != nil || parameters["q"] == "0" {
			continue
		}
		switch media {
		case eventStream, "text/*", "*/*":
			return eventStream, nil
		case jsonLines, "application/*":
			chosen = jsonLines
		}
	}
	if chosen == "" && len(accept) > 0 {
		return "", fault.New(fault.NotAcceptable, "events are served as %s and %s", eventStream, jsonLines)
	}
	if chosen == "" {
		chosen = eventStream
	}
	return chosen, nil
}

// eventWriter writes events as they are served over REST.
type eventWriter struct {
	w       http.ResponseWriter
	control *http.ResponseController
	marshal *marshaler
	lines   bool // JSON lines instead of server-sent events
	last    string
}

func (e *eventWriter) begin(media string) error {
	// The server's limits are for requests that end.
	if err := e.control.SetReadDeadline(time.Time{}); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	h := e.w.Header()
	h.Set("Content-Type", media)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would hold events back
	if e.lines {
		return nil
	}
	return e.send([]byte("retry: " + strconv.Itoa(reconnect) + "\n\n"))
}

// page writes events and sends them off together.
func (e *eventWriter) page(page []*killickv1.Event) error {
	var out bytes.Buffer
	for _, event := range page {
		if event.GetId() == "" && event.GetCursor() == e.last && !e.lines {
			out.WriteString(": keep-alive\n\n")
			continue
		}
		data, err := e.marshal.Marshal(event)
		if err != nil {
			return err
		}
		kind := ""
		if event.GetId() == "" {
			kind = "progress"
		}
		e.event(&out, event.GetCursor(), kind, data)
		e.last = event.GetCursor()
	}
	return e.send(out.Bytes())
}

// problem writes why the stream ends. JSON lines just end: the next request says
// why.
func (e *eventWriter) problem(p Problem) {
	data, err := json.Marshal(p)
	if err != nil || e.lines {
		return
	}
	var out bytes.Buffer
	e.event(&out, "", "problem", data)
	_ = e.send(out.Bytes()) // the client is gone if this fails
}

func (e *eventWriter) event(out *bytes.Buffer, id, kind string, data []byte) {
	if e.lines {
		out.Write(data)
		out.WriteByte('\n')
		return
	}
	if id != "" {
		out.WriteString("id: " + id + "\n")
	}
	if kind != "" {
		out.WriteString("event: " + kind + "\n")
	}
	out.WriteString("data: ")
	out.Write(data)
	out.WriteString("\n\n")
}

func (e *eventWriter) send(data []byte) error {
	if err := e.control.SetWriteDeadline(time.Now().Add(sendLimit)); err != nil && !errors.Is(err, http.ErrNotSupported) {
		return err
	}
	if _, err := e.w.Write(data); err != nil {
		return err
	}
	return e.control.Flush()
}
