// A wallet for wallet_test.go, of a library that shares nothing with gateway/openid. Its
// argument is JSON: {"offer": URI, "txCode": TEXT, "request": URI, "dpop": BOOL}. It gets
// the credential of the offer and shows it to whoever made the request; it ends with an
// error if any of it fails.
import {Openid4vciClient, setGlobalConfig} from '@openid4vc/openid4vci';
import {Openid4vpClient} from '@openid4vc/openid4vp';
import {clientAuthenticationAnonymous} from '@openid4vc/oauth2';
import {createHash, randomBytes} from 'node:crypto';
import * as Ed25519Multikey from '@digitalbazaar/ed25519-multikey';
import * as jose from 'jose';

setGlobalConfig({allowInsecureUrls: true}); // the test's server is on a loopback address
const input = JSON.parse(process.argv[2]);

const keys = {};
async function makeKey() {
  const {publicKey, privateKey} = await jose.generateKeyPair('ES256', {extractable: true});
  const publicJwk = await jose.exportJWK(publicKey);
  keys[publicJwk.x] = privateKey;
  return {method: 'jwk', publicJwk, alg: 'ES256'};
}
const sign = (signer, header, payload) => new jose.SignJWT(payload).setProtectedHeader(header).sign(keys[signer.publicJwk.x]);

const callbacks = {
  fetch,
  hash: (data, alg) => new Uint8Array(createHash(alg.replace('-', '')).update(data).digest()),
  generateRandom: n => new Uint8Array(randomBytes(n)),
  clientAuthentication: clientAuthenticationAnonymous(),
  signJwt: async (signer, {header, payload}) => ({jwt: await sign(signer, header, payload), signerJwk: signer.publicJwk}),
  // The test's issuer is a did:key of Ed25519.
  verifyJwt: async (signer, {compact}) => {
    const [controller, publicKeyMultibase] = signer.didUrl.split('#');
    const key = await Ed25519Multikey.from({type: 'Multikey', controller, id: signer.didUrl, publicKeyMultibase});
    const signerJwk = await Ed25519Multikey.toJwk({keyPair: key});
    await jose.compactVerify(compact, await jose.importJWK(signerJwk, 'EdDSA'));
    return {verified: true, signerJwk};
  },
};

// Issuance.
const vci = new Openid4vciClient({callbacks});
const credentialOffer = await vci.resolveCredentialOffer(input.offer);
const issuerMetadata = await vci.resolveIssuerMetadata(credentialOffer.credential_issuer);
const dpopSigner = await makeKey();
const granted = await vci.retrievePreAuthorizedCodeAccessTokenFromOffer({
  credentialOffer, issuerMetadata, txCode: input.txCode, dpop: input.dpop ? {signer: dpopSigner} : undefined,
});
const access = {
  issuerMetadata, accessToken: granted.accessTokenResponse.access_token, dpop: granted.dpop ? {...granted.dpop, signer: dpopSigner} : undefined,
};
const {c_nonce: nonce} = await vci.requestNonce({issuerMetadata});
const holder = await makeKey();
const [credentialConfigurationId] = credentialOffer.credential_configuration_ids;
const {jwt} = await vci.createCredentialRequestJwtProof({issuerMetadata, credentialConfigurationId, signer: holder, nonce});
const {credentialResponse} = await vci.retrieveCredentials({...access, credentialConfigurationId, proofs: {jwt: [jwt]}});
const {credential} = credentialResponse.credentials[0];
await vci.sendNotification({...access, notification: {notificationId: credentialResponse.notification_id, event: 'credential_accepted'}});

// Presentation.
const vp = new Openid4vpClient({callbacks});
const parsed = vp.parseOpenid4vpAuthorizationRequest({authorizationRequest: input.request});
const {authorizationRequestPayload, dcql, version} = await vp.resolveOpenId4vpAuthorizationRequest({authorizationRequestPayload: parsed.params});
if(version !== 100) {
  throw new Error(`the request is read as draft ${version}, not as the final version`);
}
const binding = await sign(holder, {alg: 'ES256', typ: 'kb+jwt'}, {
  aud: authorizationRequestPayload.client_id, nonce: authorizationRequestPayload.nonce, iat: Math.floor(Date.now() / 1000),
  sd_hash: createHash('sha256').update(credential).digest('base64url'),
});
const answer = await vp.createOpenid4vpAuthorizationResponse({
  authorizationRequestPayload, authorizationResponsePayload: {vp_token: {[dcql.query.credentials[0].id]: [credential + binding]}},
});
const {response} = await vp.submitOpenid4vpAuthorizationResponse({
  authorizationRequestPayload, authorizationResponsePayload: answer.authorizationResponsePayload,
});
if(response.status !== 200) {
  throw new Error(`${response.status} ${await response.text()}`);
}
