"""Credentials that other implementations made, and their view of ours.

It shares no code with gateway/vc: RFC 8785 is rfc8785's, signatures are those of
cryptography (OpenSSL), JOSE is jwcrypto's, SD-JWT is the reference implementation's.

    python3 -m venv v && v/bin/pip install sd-jwt==0.10.4 jwcrypto==1.6.1 rfc8785==0.1.4 base58==2.1.1
    v/bin/python foreign.py make > foreign.json      # what TestForeign reads
    v/bin/python foreign.py check ../../../docs/formats/vectors/credentials.json
"""

import base64
import hashlib
import json
import sys

import base58
import rfc8785
import sd_jwt.holder
import sd_jwt.verifier
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, utils
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS
from sd_jwt.common import SDObj
from sd_jwt.holder import SDJWTHolder
from sd_jwt.issuer import SDJWTIssuer
from sd_jwt.verifier import SDJWTVerifier

NOW = 1780315200  # 2026-06-01T12:00:00Z, the time of all checks
PREFIXES = {b"\xed\x01": "EdDSA", b"\x80\x24": "ES256", b"\xe7\x01": "ES256K"}
CURVES = {"ES256": ec.SECP256R1(), "ES256K": ec.SECP256K1()}
SUITES = {"eddsa-jcs-2022": "EdDSA", "ecdsa-jcs-2019": "ES256"}


class Key:
    """A private key and its did:key."""

    def __init__(self, name, alg):
        seed = hashlib.sha256(f"{name} {alg}".encode()).digest()
        self.alg = alg
        if alg == "EdDSA":
            self.private = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
            raw = self.private.public_key().public_bytes_raw()
        else:
            self.private = ec.derive_private_key(int.from_bytes(seed, "big"), CURVES[alg])
            point = self.private.public_key().public_numbers()
            raw = bytes([2 | point.y & 1]) + point.x.to_bytes(32, "big")
        prefix = next(p for p, a in PREFIXES.items() if a == alg)
        multikey = "z" + base58.b58encode(prefix + raw).decode()
        self.did = "did:key:" + multikey
        self.kid = self.did + "#" + multikey
        self.jwk = JWK.from_pyca(self.private)

    def sign(self, message):
        if self.alg == "EdDSA":
            return self.private.sign(message)
        r, s = utils.decode_dss_signature(self.private.sign(message, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def public(kid):
    """The key that a did:key's URL holds, and its algorithm."""
    raw = base58.b58decode(kid.split("#")[1][1:])
    alg = PREFIXES[raw[:2]]
    if alg == "EdDSA":
        return ed25519.Ed25519PublicKey.from_public_bytes(raw[2:]), alg
    return ec.EllipticCurvePublicKey.from_encoded_point(CURVES[alg], raw[2:]), alg


def verify(key, alg, message, signature):
    if alg == "EdDSA":
        key.verify(signature, message)
        return
    der = utils.encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    key.verify(der, message, ec.ECDSA(hashes.SHA256()))


def proof_input(document, options):
    return hashlib.sha256(rfc8785.dumps(options)).digest() + hashlib.sha256(rfc8785.dumps(document)).digest()


def prove(key, document, purpose, **options):
    suite = next(s for s, a in SUITES.items() if a == key.alg)
    proof = {"type": "DataIntegrityProof", "cryptosuite": suite, "created": "2026-06-01T11:00:00Z",
             "verificationMethod": key.kid, "proofPurpose": purpose, "@context": document["@context"], **options}
    value = "z" + base58.b58encode(key.sign(proof_input(document, proof))).decode()
    return {**document, "proof": {**proof, "proofValue": value}}


def jwt(key, typ, payload):
    jws = JWS(json.dumps(payload))
    jws.allowed_algs = [key.alg]
    jws.add_signature(key.jwk, protected=json.dumps({"alg": key.alg, "kid": key.kid, "typ": typ}))
    return jws.serialize(compact=True)


def credential(issuer):
    return {
        "@context": ["https://www.w3.org/ns/credentials/v2", "https://contexts.example/alumni/v1"],
        "type": ["VerifiableCredential", "AlumniCredential"], "issuer": issuer, "validFrom": "2026-01-01T00:00:00Z",
        "credentialSubject": {"id": "did:example:a", "alumniOf": "Universität 😀 \u20ac \"1\"", "grades": [1.5, 2, 0.001, 1e21, -0.0000001], "none": None},
    }


def presentation(holder, credentials):
    return {"@context": ["https://www.w3.org/ns/credentials/v2"], "type": "VerifiablePresentation", "holder": holder, "verifiableCredential": credentials}


def selective(issuer, holder):
    claims = {
        "iss": issuer.did, "vct": "person", "iat": NOW, SDObj("given_name"): "Erika",
        SDObj("address"): {SDObj("street"): "Way 1", "country": "DE"}, "nationalities": [SDObj("DE"), "FR", SDObj("US")],
    }
    issued = SDJWTIssuer(claims, issuer.jwk, JWK.from_json(holder.jwk.export_public()), sign_alg=issuer.alg, add_decoy_claims=True,
                         extra_header_parameters={"kid": issuer.kid, "typ": "dc+sd-jwt"})
    sd_jwt.holder.time = lambda: NOW
    h = SDJWTHolder(issued.sd_jwt_issuance)
    h.create_presentation({"address": {"street": True}, "nationalities": [False, False, True]}, "c-1", "verifier.example", holder.jwk, holder.alg)
    shown = {"address": {"country": "DE", "street": "Way 1"}, "nationalities": ["FR", "US"]}
    return issued.sd_jwt_issuance, h.sd_jwt_presentation, shown


def make():
    out = {"comment": "Made by foreign.py, which says how", "credentials": [], "presentations": [], "selective": []}
    holder = Key("holder", "EdDSA")
    for alg in ("EdDSA", "ES256", "ES256K"):
        issuer = Key("issuer", alg)
        envelope = jwt(issuer, "vc+jwt", credential(issuer.did))
        out["credentials"].append(envelope)
        inner = [{"@context": "https://www.w3.org/ns/credentials/v2", "type": "EnvelopedVerifiableCredential", "id": "data:application/vc+jwt," + envelope}]
        if alg != "ES256K":
            signed = prove(issuer, credential(issuer.did), "assertionMethod")
            out["credentials"].append(json.dumps(signed))
            inner.append(signed)
        document = presentation(holder.did, inner)
        out["presentations"].append(json.dumps(prove(holder, document, "authentication", challenge="c-1", domain="verifier.example")))
        out["presentations"].append(jwt(holder, "vp+jwt", {**document, "iss": holder.did, "nonce": "c-1", "aud": "verifier.example"}))
        issued, presented, shown = selective(issuer, Key("holder", alg))
        out["selective"].append({"issued": issued, "presented": presented, "shown": shown})
    json.dump(out, sys.stdout, indent=1, ensure_ascii=False)
    print()


def check(path):
    """Verifies the good vectors that keys of did:key signed."""
    with open(path) as f:
        vectors = json.load(f)["vectors"]
    counts = {"proof": 0, "jwt": 0, "sd-jwt": 0}
    for v in (v for v in vectors if v["code"] == "ok"):
        secured = v["secured"]
        if "~" in secured:
            check_selective(v)
            counts["sd-jwt"] += 1
        elif secured.startswith("{"):
            document = json.loads(secured)
            proofs = document.pop("proof", [])
            for proof in proofs if isinstance(proofs, list) else [proofs]:
                if not proof["verificationMethod"].startswith("did:key:"):
                    continue
                signature = base58.b58decode(proof.pop("proofValue")[1:])
                key, alg = public(proof["verificationMethod"])
                assert SUITES[proof["cryptosuite"]] == alg
                verify(key, alg, proof_input(document, proof), signature)
                counts["proof"] += 1
        else:
            check_jwt(secured)
            counts["jwt"] += 1
    print("verified", counts)
    assert all(counts.values())


def check_jwt(secured):
    header = json.loads(base64.urlsafe_b64decode(secured.split(".")[0] + "=="))
    key, alg = public(header["kid"])
    jws = JWS()
    jws.allowed_algs = [alg]
    jws.deserialize(secured, JWK.from_pyca(key))
    assert header["alg"] == alg


def check_selective(v):
    def issuer_key(_, header):
        return JWK.from_pyca(public(header["kid"])[0])

    header = json.loads(base64.urlsafe_b64decode(v["secured"].split(".")[0] + "=="))
    sd_jwt.verifier.DEFAULT_SIGNING_ALG = header["alg"]
    SDJWTVerifier(v["secured"], issuer_key, v.get("domain"), v.get("challenge")).get_verified_payload()


if __name__ == "__main__":
    make() if sys.argv[1] == "make" else check(sys.argv[2])
