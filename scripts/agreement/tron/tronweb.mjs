// tronweb, an implementation of Tron's formats that shares nothing with ours, for
// tronweb_test.go. Its argument is the name of a part, standard input the part's JSON;
// it prints JSON, and ends with an error if any of it fails.
import {readFileSync} from 'node:fs';
import {TronWeb, utils} from 'tronweb';

const input = JSON.parse(readFileSync(0, 'utf8'));
const erc20 = [
  {type: 'function', name: 'transfer', stateMutability: 'nonpayable', inputs: [{name: 'to', type: 'address'}, {name: 'value', type: 'uint256'}], outputs: [{name: '', type: 'bool'}]},
  {type: 'function', name: 'balanceOf', stateMutability: 'view', inputs: [{name: 'account', type: 'address'}], outputs: [{name: '', type: 'uint256'}]},
];
const fail = text => { throw new Error(text); };

// client uses a node as a wallet would.
async function client() {
  const tron = new TronWeb({fullHost: input.http, privateKey: input.key});
  const me = tron.defaultAddress;
  // poll asks until there is an answer; the test's process ends a hung one.
  const poll = async ask => {
    for(;;) {
      const got = await ask();
      if(got && Object.keys(got).length > 0) {
        return got;
      }
      await new Promise(r => setTimeout(r, 50));
    }
  };
  const mined = id => poll(() => tron.trx.getUnconfirmedTransactionInfo(id));
  const solid = id => poll(() => tron.trx.getTransactionInfo(id));
  const out = {};

  // A TRC-20 transfer.
  const token = tron.contract(erc20, input.token);
  out.transfer = await token.transfer(input.to, 1234).send({feeLimit: 100_000_000});
  const receipt = await mined(out.transfer);
  if(receipt.receipt.result !== 'SUCCESS' || receipt.log.length !== 1) {
    fail('transfer: ' + JSON.stringify(receipt));
  }
  out.balance = (await token.balanceOf(input.to).call()).toString();
  out.transferBlock = (await solid(out.transfer)).blockNumber;
  const read = await tron.trx.getTransaction(out.transfer);
  if(read.txID !== out.transfer || !utils.transaction.txCheck(read) || read.ret[0].contractRet !== 'SUCCESS') {
    fail('transaction as read: ' + JSON.stringify(read));
  }
  if(!(await tron.trx.getConfirmedTransaction(out.transfer)).raw_data) {
    fail('not confirmed');
  }

  // A checkpoint for AnchorLog: built by the node, checked by tronweb, signed here.
  const made = await tron.transactionBuilder.triggerSmartContract(input.log, '', {input: input.submit, feeLimit: 1_000_000_000}, [], me.hex);
  const signed = await tron.trx.sign(made.transaction);
  const sent = await tron.trx.sendRawTransaction(signed);
  sent.result === true && sent.txid === signed.txID || fail('submit: ' + JSON.stringify(sent));
  out.submit = signed.txID;
  const submitted = await mined(out.submit);
  if(submitted.receipt.result !== 'SUCCESS') {
    fail('submit: ' + JSON.stringify(submitted));
  }
  await solid(out.submit);
  const reached = await tron.transactionBuilder.triggerConfirmedConstantContract(input.log, '', {input: input.reached}, [], me.hex);
  out.reached = reached.constant_result[0];
  // What was sent is known, what was changed is not signed, what would fail is told.
  out.again = (await tron.trx.sendRawTransaction(signed)).code;
  const other = await tron.transactionBuilder.sendTrx(input.to, 5, me.hex);
  const forged = await tron.trx.sign(other);
  forged.signature = signed.signature;
  out.forged = (await tron.trx.sendRawTransaction(forged)).code;
  out.hopeless = await tron.transactionBuilder.triggerConstantContract(input.token, 'transfer(address,uint256)', {}, [{type: 'address', value: input.to}, {type: 'uint256', value: '1' + '0'.repeat(30)}], me.hex)
    .then(() => 'done', e => e.message);

  // TRX, as bytes.
  const trx = await tron.trx.sign(await tron.transactionBuilder.sendTrx(input.to, 7, me.hex));
  const pb = utils.transaction.txJsonToPb(trx);
  pb.setSignatureList(trx.signature.map(s => Buffer.from(s, 'hex').toString('base64')));
  out.trx = (await tron.trx.sendHexTransaction(Buffer.from(pb.serializeBinary()).toString('hex'))).txid;
  await mined(out.trx);
  out.sun = await tron.trx.getUnconfirmedBalance(input.to);

  // Reads.
  const estimate = await tron.transactionBuilder.estimateEnergy(input.token, 'transfer(address,uint256)', {}, [{type: 'address', value: input.to}, {type: 'uint256', value: 1}], me.hex);
  estimate.energy_required > 0 || fail('estimate: ' + JSON.stringify(estimate));
  const block = await tron.trx.getBlockByNumber(submitted.blockNumber);
  block.transactions.some(t => t.txID === out.submit) || fail('block: ' + JSON.stringify(block));
  (await tron.trx.getBlockByHash(block.blockID)).blockID === block.blockID || fail('block by id');
  const prices = Object.fromEntries((await tron.trx.getChainParameters()).map(p => [p.key, p.value]));
  prices.getEnergyFee > 0 || fail('prices');
  (await tron.trx.getAccountResources(me.hex)).freeNetLimit > 0 || fail('resources');
  (await tron.trx.getNodeInfo()).configNodeInfo.codeVersion.includes('test node') || fail('node info');
  (await tron.trx.getContract(input.token)).bytecode.length > 0 || fail('contract');
  await tron.isConnected().then(c => c.fullNode || fail('not connected'));

  // Two of two weights.
  const second = TronWeb.address.fromPrivateKey(input.second);
  const owner = {type: 0, permission_name: 'owner', threshold: 3, keys: [{address: me.hex, weight: 1}, {address: TronWeb.address.toHex(second), weight: 2}]};
  const active = {...owner, type: 2, permission_name: 'active', threshold: 1, operations: '7fff1fc0033e0000000000000000000000000000000000000000000000000000'};
  const change = await tron.trx.sign(await tron.transactionBuilder.updateAccountPermissions(me.hex, owner, null, [active]));
  const changed = await tron.trx.sendRawTransaction(change);
  changed.result === true || fail('permissions: ' + JSON.stringify(changed));
  await mined(change.txID);
  const both = await tron.transactionBuilder.sendTrx(input.to, 11, me.hex);
  const one = await tron.trx.multiSign(both, input.key);
  out.one = (await tron.trx.sendRawTransaction(one)).code;
  const two = await tron.trx.multiSign(one, input.second);
  const paid = await tron.trx.sendRawTransaction(two);
  paid.result === true || fail('two signatures: ' + JSON.stringify(paid));
  out.both = paid.txid;
  await mined(out.both);
  return out;
}

// offline builds and signs what anchor/tron has built, from its parameters alone.
async function offline() {
  const tron = new TronWeb({fullHost: 'http://127.0.0.1:1', privateKey: input.key});
  const out = [];
  for(const t of input.calls) {
    const {transaction} = await tron.transactionBuilder.triggerSmartContract(t.contract, '', {
      txLocal: true, input: t.data, feeLimit: t.feeLimit,
      blockHeader: {ref_block_bytes: t.refBytes, ref_block_hash: t.refHash, expiration: t.expiration, timestamp: t.timestamp},
    }, [], tron.defaultAddress.hex);
    const signed = await tron.trx.sign(transaction);
    out.push({raw: transaction.raw_data_hex, id: transaction.txID, signature: signed.signature[0],
      signer: utils.crypto.ecRecover(transaction.txID, t.signature),
      decoded: utils.deserializeTx.deserializeTransaction('TriggerSmartContract', t.raw)});
  }
  return out;
}

// addresses writes the accounts of keys.
const addresses = () => input.keys.map(k => {
  const base58 = TronWeb.address.fromPrivateKey(k);
  return {base58, hex: TronWeb.address.toHex(base58), valid: input.written.map(a => TronWeb.isAddress(a))};
});

const parts = {client, offline, addresses};
process.stdout.write(JSON.stringify(await parts[process.argv[2]]()));
