// Judges quotes with @phala/dcap-qvl, which shares nothing with chaincode/tee. Requests
// come one JSON object a line on standard input, {"quote", "collateral", "root", "now"}
// with bytes in hexadecimal; the answer is one line, {"status", "advisories"} or
// {"error": TEXT}.
import {createInterface} from 'node:readline';
import qvl from '@phala/dcap-qvl';

const bytes = hex => Buffer.from(hex, 'hex');

for await (const line of createInterface({input: process.stdin})) {
  let answer;
  try {
    const r = JSON.parse(line);
    const report = qvl.QuoteVerifier.newWithRootCa(bytes(r.root)).verify(bytes(r.quote), r.collateral, r.now);
    answer = {status: report.status, advisories: [...report.advisory_ids].sort()};
  } catch (e) {
    answer = {error: String(e?.message ?? e)};
  }
  console.log(JSON.stringify(answer));
}
