package block

import "fmt"

// channelHeader is what an envelope says of itself.
type channelHeader struct {
	typ       int32
	channel   string
	id        string
	seconds   int64
	epoch     uint64
	extension []byte
}

func (t *Tx) header() (h channelHeader, err error) {
	var payload, channel []byte
	if err := into(t.Envelope, sink{1: toBytes(&payload)}); err != nil {
		return h, err
	}
	if err := into(payload, sink{1: toMessage(nil, sink{1: toBytes(&channel)})}); err != nil {
		return h, err
	}
	var seconds uint64
	err = into(channel, sink{
		1: toNumber(&h.typ), 3: toMessage(nil, sink{1: toNumber(&seconds)}), 4: toString(&h.channel), 5: toString(&h.id),
		6: toNumber(&h.epoch), 7: toBytes(&h.extension),
	})
	h.seconds = int64(seconds)
	return h, err
}

// chaincode is the one that the header's extension names. An extension that is no message
// takes nothing from the rest: peers keep the id all the same (Fabric's
// protoutil.GetOrComputeTxIDFromEnvelope).
func (h channelHeader) chaincode() (name string, err error) {
	err = into(h.extension, sink{2: toMessage(nil, sink{2: toString(&name)})})
	return name, err
}

// Claimed returns the channel that the transaction is for and the time that it claims, in
// seconds since 1970.
func (t *Tx) Claimed() (channel string, seconds int64, err error) {
	h, err := t.header()
	return h.channel, h.seconds, err
}

// Proper reports, as an error, what keeps an endorser transaction from being valid
// whatever the state is: its form, its id, its creator and the creator's signature, the
// proposal that was endorsed. Unlike Check it looks at invalid ones as well. Errors of
// policies, duplicates and versions are not among it.
func (m Members) Proper(t *Tx) error {
	h, err := t.header()
	switch {
	case err != nil:
		return err
	case h.typ != TypeEndorser:
		return fmt.Errorf("header type %d", h.typ)
	case h.epoch != 0:
		return fmt.Errorf("epoch %d", h.epoch)
	}
	own := *t
	call, err := own.headers()
	if err == nil {
		_, err = own.call(call)
	}
	if err != nil {
		return err
	}
	proposed, err := h.chaincode()
	if err != nil {
		return err
	}
	if own.Chaincode == "" || proposed != own.Chaincode {
		return fmt.Errorf("proposed to chaincode %q, endorsed for %q", proposed, own.Chaincode)
	}
	e, err := own.endorsed()
	if err != nil {
		return err
	}
	if err := e.named(own.Chaincode); err != nil {
		return err
	}
	if len(own.Nonce) == 0 || len(own.Creator) == 0 {
		return fmt.Errorf("no nonce or no creator")
	}
	if id := computedID(own.Nonce, own.Creator); id != h.id {
		return fmt.Errorf("id is %.80q, nonce and creator give %s", h.id, id)
	}
	creator, err := m.all.identify(own.Creator)
	if err != nil {
		return fmt.Errorf("creator: %w", err)
	}
	if !signedBy(creator.key, creator.hash, e.signature, e.payload) {
		return fmt.Errorf("the creator's signature does not match")
	}
	return nil
}

// named checks what Fabric does of names in an endorsed result before it looks at policies.
func (e endorsement) named(chaincode string) error {
	var nonce, creator, action, events []byte
	var version, of string
	if err := into(e.header, sink{1: toBytes(&creator), 2: toBytes(&nonce)}); err != nil {
		return err
	}
	if err := into(e.response, sink{2: toBytes(&action)}); err != nil {
		return err
	}
	if err := into(action, sink{2: toBytes(&events), 4: toMessage(nil, sink{3: toString(&version)})}); err != nil {
		return err
	}
	if err := into(events, sink{1: toString(&of)}); err != nil {
		return err
	}
	if len(nonce) == 0 || len(creator) == 0 || version == "" || len(events) > 0 && of != chaincode {
		return fmt.Errorf("an action without nonce, creator or version, or with the event of another chaincode")
	}
	return nil
}

// Creator returns who created a transaction: the MSP id and the organisational units of
// the certificate, among which the role is.
func (m Members) Creator(t *Tx) (msp string, units []string, err error) {
	by, err := m.all.identify(t.Creator)
	return by.msp, by.units, err
}
