// The other side of agreement_test.go: it makes and checks credentials with
// implementations that share nothing with gateway/vc. Requests come one JSON object a
// line on standard input, {"do": NAME, ...}; the answer is one line, {"value": ...} or
// {"error": TEXT}. A check that fails is an error.
import * as EcdsaMultikey from '@digitalbazaar/ecdsa-multikey';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import * as ecdsaJcs from '@digitalbazaar/ecdsa-jcs-2019-cryptosuite';
import * as eddsaJcs from '@digitalbazaar/eddsa-jcs-2022-cryptosuite';
import * as eddsaRdfc from '@digitalbazaar/eddsa-rdfc-2022-cryptosuite';
import * as jose from 'jose';
import * as lists from '@digitalbazaar/vc-bitstring-status-list';
import * as vc from '@digitalbazaar/vc';
import {createHash, randomBytes} from 'node:crypto';
import {createInterface} from 'node:readline';
import {DataIntegrityProof} from '@digitalbazaar/data-integrity';
import {SDJwtVcInstance} from '@sd-jwt/sd-jwt-vc';

const suites = {
  'eddsa-jcs-2022': eddsaJcs, 'ecdsa-jcs-2019': ecdsaJcs,
  'eddsa-rdfc-2022': {
    createSignCryptosuite: () => eddsaRdfc.cryptosuite, createVerifyCryptosuite: () => eddsaRdfc.cryptosuite,
  },
};

// library is the multikey implementation of a did:key, by the prefix of its key.
const library = method => method.startsWith('did:key:z6Mk') ? Ed25519Multikey : EcdsaMultikey;

const keys = {};
for(const [alg, make] of [
  ['EdDSA', () => Ed25519Multikey.generate()], ['ES256', () => EcdsaMultikey.generate({curve: 'P-256'})]]) {
  const pair = await make();
  pair.controller = `did:key:${pair.publicKeyMultibase}`;
  pair.id = `${pair.controller}#${pair.publicKeyMultibase}`;
  keys[alg] = pair;
}

const documents = {}; // contexts and status lists that a test has given
const controllerContexts = ['https://www.w3.org/ns/did/v1', 'https://w3id.org/security/multikey/v1'];

async function documentLoader(url) {
  if(documents[url]) {
    return {documentUrl: url, document: documents[url]};
  }
  if(!url.startsWith('did:key:')) {
    return vc.defaultDocumentLoader(url);
  }
  const [controller, fragment] = url.split('#');
  const multikey = controller.slice('did:key:'.length);
  const method = {id: `${controller}#${multikey}`, type: 'Multikey', controller, publicKeyMultibase: multikey};
  const document = fragment ? {'@context': controllerContexts[1], ...method} :
    {'@context': controllerContexts, id: controller, verificationMethod: [method], assertionMethod: [method.id], authentication: [method.id]};
  return {documentUrl: url, document};
}

const signing = (suite, alg) => new DataIntegrityProof({signer: keys[alg].signer(), cryptosuite: suites[suite].createSignCryptosuite()});
const checking = () => Object.values(suites).map(s => new DataIntegrityProof({cryptosuite: s.createVerifyCryptosuite()}));

function verified(result) {
  if(!result.verified) {
    throw new Error(JSON.stringify(result.error?.errors?.map(e => e.message) ?? result.error?.message ?? result));
  }
  return result;
}

async function publicKey(method) {
  const multikey = method.split('#')[0].slice('did:key:'.length);
  const lib = library(method);
  return lib.toJwk({keyPair: await lib.from({type: 'Multikey', publicKeyMultibase: multikey})});
}

async function privateKey(alg) {
  const jwk = await library(keys[alg].id).toJwk({keyPair: keys[alg], secretKey: true});
  jwk.d = Buffer.from(jwk.d, 'base64url').subarray(0, 32).toString('base64url'); // of Ed25519 the public key stands behind
  return jose.importJWK(jwk, alg);
}

async function signJWT(payload, alg, typ) {
  return new jose.SignJWT(payload).setProtectedHeader({alg, typ, kid: keys[alg].id}).sign(await privateKey(alg));
}

async function verifyJWT(jwt, typ, options = {}) {
  const {alg, kid} = jose.decodeProtectedHeader(jwt);
  return (await jose.jwtVerify(jwt, await jose.importJWK(await publicKey(kid), alg), {typ, ...options})).payload;
}

// selective is an instance that signs with alg and checks with the key that kid, or the
// credential's cnf, names.
function selective(alg) {
  const sign = async data => {
    const [header, payload] = data.split('.').map(part => Buffer.from(part, 'base64url'));
    const jws = await new jose.CompactSign(payload).setProtectedHeader(JSON.parse(header)).sign(await privateKey(alg));
    const [given] = data.split('.');
    if(jws.split('.')[0] !== given) {
      throw new Error('the header was encoded in another way');
    }
    return jws.split('.')[2];
  };
  const check = async (data, signature, jwk) => {
    const {alg} = JSON.parse(Buffer.from(data.split('.')[0], 'base64url'));
    await jose.compactVerify(`${data}.${signature}`, await jose.importJWK(jwk, alg));
    return true;
  };
  return new SDJwtVcInstance({
    signer: sign, signAlg: alg, kbSigner: sign, kbSignAlg: alg, hashAlg: 'sha-256',
    hasher: (data, name) => new Uint8Array(createHash(name.replace('-', '')).update(data).digest()),
    saltGenerator: length => randomBytes(length).toString('base64url'),
    verifier: async (data, signature) => check(data, signature,
      await publicKey(JSON.parse(Buffer.from(data.split('.')[0], 'base64url')).kid)),
    kbVerifier: (data, signature, payload) => check(data, signature, payload.cnf.jwk),
  });
}

const commands = {
  keys: () => ({EdDSA: keys.EdDSA.id, ES256: keys.ES256.id}),
  jwk: ({alg}) => library(keys[alg].id).toJwk({keyPair: keys[alg]}),
  know: ({url, document}) => { documents[url] = document; },

  issue: ({suite, alg, document}) => vc.issue({credential: document, suite: signing(suite, alg), documentLoader}),
  // verify answers the bits of the credential's status entries.
  verify: async ({document}) => {
    const checkStatus = options => lists.checkStatus({...options, suite: checking(), documentLoader});
    const result = verified(await vc.verifyCredential({credential: document, suite: checking(), documentLoader, checkStatus}));
    return (result.statusResult?.results ?? []).map(r => r.status);
  },
  present: ({suite, alg, document, challenge, domain}) => vc.signPresentation(
    {presentation: document, suite: signing(suite, alg), challenge, domain, documentLoader}),
  verifyPresentation: async ({document, challenge, domain}) => {
    verified(await vc.verify({presentation: document, suite: checking(), challenge, domain, documentLoader}));
  },

  issueJWT: ({alg, typ, document}) => signJWT(document, alg, typ),
  verifyJWT: ({jwt, typ, audience}) => verifyJWT(jwt, typ, audience && {audience}),

  issueSelective: ({alg, claims, frame}) => selective(alg).issue(claims, frame, {header: {kid: keys[alg].id, typ: 'dc+sd-jwt'}}),
  presentSelective: ({alg, credential, frame, payload}) => selective(alg).present(credential, frame, {kb: {payload}}),
  verifySelective: async ({alg, credential, nonce}) => (await selective(alg).verify(credential, {keyBindingNonce: nonce})).payload,

  list: async ({length, set}) => {
    const list = await lists.createList({length});
    set.forEach(i => list.setStatus(i, true));
    return list.encode();
  },
  bits: async ({encoded}) => {
    const list = await lists.decodeList({encodedList: encoded});
    return [...Array(list.length).keys()].filter(i => list.getStatus(i));
  },
};

for await (const line of createInterface({input: process.stdin})) {
  let answer;
  try {
    const request = JSON.parse(line);
    answer = {value: await commands[request.do](request) ?? null};
  } catch(e) {
    answer = {error: `${e?.message ?? e}` || 'failed'};
  }
  console.log(JSON.stringify(answer));
}
