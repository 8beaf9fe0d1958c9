package contract

import (
	"fmt"

	"github.com/hyperledger/fabric-contract-api-go/v2/contractapi"
)

// Context is what contract functions get. It leads to the call.
type Context struct{ contractapi.TransactionContext }

// run carries out the function that was called. All contracts do the same: what
// a function is, what it takes and whether it writes stands in one table, in
// package ops. The methods exist so that contract-api can describe them.
func run(ctx *Context) (string, error) {
	c, ok := ctx.GetStub().(*call)
	if !ok {
		return "", fmt.Errorf("called with a stub of type %T", ctx.GetStub())
	}
	c.answer, c.err = c.engine.Invoke(c.tx, c.function.Name, c.args)
	return "", c.err
}

func contracts() []contractapi.ContractInterface {
	named := func(name, title string) contractapi.Contract {
		c := contractapi.Contract{Name: name, TransactionContextHandler: new(Context)}
		c.Info.Title = title
		c.Info.Version = "1"
		return c
	}
	return []contractapi.ContractInterface{
		&operations{named("ops", "Signed operations, alone and in batches")},
		&governance{named("govern", "What the members decide, and the chaincode program")},
		&identities{named("did", "Decentralised identifiers")},
		&records{named("record", "Records of users' data")},
		&credentials{named("credential", "Schemas and credentials")},
		&rewards{named("reward", "Money, epochs and payouts")},
		&attestations{named("attest", "Uses of records under grants, and jobs")},
		&checkpoints{named("checkpoint", "Checkpoints of the log and their anchors")},
	}
}

type operations struct{ contractapi.Contract }

func (*operations) Init(ctx *Context) (string, error)      { return run(ctx) }
func (*operations) Apply(ctx *Context) (string, error)     { return run(ctx) }
func (*operations) Batch(ctx *Context) (string, error)     { return run(ctx) }
func (*operations) Sweep(ctx *Context) (string, error)     { return run(ctx) }
func (*operations) Check(ctx *Context) (string, error)     { return run(ctx) }
func (*operations) Explain(ctx *Context) (string, error)   { return run(ctx) }
func (*operations) Network(ctx *Context) (string, error)   { return run(ctx) }
func (*operations) Operation(ctx *Context) (string, error) { return run(ctx) }

type governance struct{ contractapi.Contract }

func (*governance) Propose(ctx *Context) (string, error)   { return run(ctx) }
func (*governance) Approve(ctx *Context) (string, error)   { return run(ctx) }
func (*governance) Withdraw(ctx *Context) (string, error)  { return run(ctx) }
func (*governance) Enact(ctx *Context) (string, error)     { return run(ctx) }
func (*governance) Proposal(ctx *Context) (string, error)  { return run(ctx) }
func (*governance) Proposals(ctx *Context) (string, error) { return run(ctx) }
func (*governance) History(ctx *Context) (string, error)   { return run(ctx) }
func (*governance) Jobs(ctx *Context) (string, error)      { return run(ctx) }
func (*governance) Program(ctx *Context) (string, error)   { return run(ctx) }

type identities struct{ contractapi.Contract }

func (*identities) Resolve(ctx *Context) (string, error)  { return run(ctx) }
func (*identities) Identity(ctx *Context) (string, error) { return run(ctx) }

type records struct{ contractapi.Contract }

func (*records) Read(ctx *Context) (string, error)    { return run(ctx) }
func (*records) History(ctx *Context) (string, error) { return run(ctx) }
func (*records) Content(ctx *Context) (string, error) { return run(ctx) }
func (*records) Grant(ctx *Context) (string, error)   { return run(ctx) }

type attestations struct{ contractapi.Contract }

func (*attestations) Use(ctx *Context) (string, error)        { return run(ctx) }
func (*attestations) Step(ctx *Context) (string, error)       { return run(ctx) }
func (*attestations) Close(ctx *Context) (string, error)      { return run(ctx) }
func (*attestations) Job(ctx *Context) (string, error)        { return run(ctx) }
func (*attestations) Round(ctx *Context) (string, error)      { return run(ctx) }
func (*attestations) Settlement(ctx *Context) (string, error) { return run(ctx) }
func (*attestations) Standing(ctx *Context) (string, error)   { return run(ctx) }

type credentials struct{ contractapi.Contract }

func (*credentials) Read(ctx *Context) (string, error)   { return run(ctx) }
func (*credentials) Entry(ctx *Context) (string, error)  { return run(ctx) }
func (*credentials) Schema(ctx *Context) (string, error) { return run(ctx) }

type rewards struct{ contractapi.Contract }

func (*rewards) Fund(ctx *Context) (string, error)       { return run(ctx) }
func (*rewards) Cut(ctx *Context) (string, error)        { return run(ctx) }
func (*rewards) Fold(ctx *Context) (string, error)       { return run(ctx) }
func (*rewards) Emit(ctx *Context) (string, error)       { return run(ctx) }
func (*rewards) Reserve(ctx *Context) (string, error)    { return run(ctx) }
func (*rewards) Sign(ctx *Context) (string, error)       { return run(ctx) }
func (*rewards) Return(ctx *Context) (string, error)     { return run(ctx) }
func (*rewards) Hold(ctx *Context) (string, error)       { return run(ctx) }
func (*rewards) Balance(ctx *Context) (string, error)    { return run(ctx) }
func (*rewards) Epoch(ctx *Context) (string, error)      { return run(ctx) }
func (*rewards) Emission(ctx *Context) (string, error)   { return run(ctx) }
func (*rewards) Root(ctx *Context) (string, error)       { return run(ctx) }
func (*rewards) Leaves(ctx *Context) (string, error)     { return run(ctx) }
func (*rewards) Signatures(ctx *Context) (string, error) { return run(ctx) }

type checkpoints struct{ contractapi.Contract }

func (*checkpoints) Cosign(ctx *Context) (string, error)       { return run(ctx) }
func (*checkpoints) Accept(ctx *Context) (string, error)       { return run(ctx) }
func (*checkpoints) Receipt(ctx *Context) (string, error)      { return run(ctx) }
func (*checkpoints) Head(ctx *Context) (string, error)         { return run(ctx) }
func (*checkpoints) At(ctx *Context) (string, error)           { return run(ctx) }
func (*checkpoints) Cosignatures(ctx *Context) (string, error) { return run(ctx) }
func (*checkpoints) Receipts(ctx *Context) (string, error)     { return run(ctx) }
func (*checkpoints) SignRotation(ctx *Context) (string, error) { return run(ctx) }
func (*checkpoints) Rotate(ctx *Context) (string, error)       { return run(ctx) }
func (*checkpoints) Sets(ctx *Context) (string, error)         { return run(ctx) }
func (*checkpoints) Element(ctx *Context) (string, error)      { return run(ctx) }
func (*checkpoints) Draw(ctx *Context) (string, error)         { return run(ctx) }
func (*checkpoints) DrawAt(ctx *Context) (string, error)       { return run(ctx) }
func (*checkpoints) Draws(ctx *Context) (string, error)        { return run(ctx) }
