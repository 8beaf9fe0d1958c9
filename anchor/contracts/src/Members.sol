// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// What members of a set signed: the whole set with its version and threshold, a
/// bitmap that says which of them signed, and one r || s || v for each of these.
struct Signatures {
    uint256 version;
    uint256 k;
    address[] members;
    uint256 signers;
    bytes signatures;
}

/// Members checks signatures of K of N organisations over a digest.
///
/// A member set is known to a contract by its hash only; who submits brings the
/// whole list. That makes a signature cheaper to check than members in storage,
/// and it binds the list, its version and K in one word.
library Members {
    error NoMembers();
    error TooManyMembers(uint256 count);
    error MembersNotAscending(uint256 index);
    error BadThreshold(uint256 k, uint256 members);
    error WrongMemberSet(bytes32 got, bytes32 want);
    error UnknownSigner(uint256 signers, uint256 members);
    error TooFewSignatures(uint256 got, uint256 want);
    error BadSignatureLength(uint256 got, uint256 want);
    error HighS(uint256 member);
    error WrongSigner(uint256 member, address recovered);

    bytes32 internal constant SET_TAG = keccak256("killick.members.v1");

    /// The order of secp256k1, halved: the largest s of a canonical signature.
    uint256 private constant HALF_ORDER =
        0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// One bit for each member in `signers`.
    uint256 private constant MAX_MEMBERS = 256;

    function hash(uint256 version, uint256 k, address[] memory members)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(abi.encode(SET_TAG, version, k, members));
    }

    /// Checks a new member set: ascending order makes the hash of a set unique
    /// and rules out a member that counts twice and the zero address, which is
    /// what ecrecover returns for nonsense.
    function checkSet(address[] memory members, uint256 k) internal pure {
        if (members.length == 0) revert NoMembers();
        if (members.length > MAX_MEMBERS) revert TooManyMembers(members.length);
        if (k == 0 || k > members.length) revert BadThreshold(k, members.length);
        address last = address(0);
        for (uint256 i = 0; i < members.length; i++) {
            if (members[i] <= last) revert MembersNotAscending(i);
            last = members[i];
        }
    }

    /// Reverts unless the set is the one with the hash `set`, and at least k of
    /// its members signed `digest`. Bit i of `signers` says that members[i] did;
    /// `signatures` holds exactly one r || s || v for each bit, in ascending order
    /// of members.
    function check(bytes32 set, bytes32 digest, Signatures calldata s) internal pure {
        bytes32 got = keccak256(abi.encode(SET_TAG, s.version, s.k, s.members));
        if (got != set) revert WrongMemberSet(got, set);
        address[] calldata members = s.members;
        uint256 signers = s.signers;
        if (members.length < MAX_MEMBERS && signers >> members.length != 0) {
            revert UnknownSigner(signers, members.length);
        }
        uint256 count = 0;
        for (uint256 bits = signers; bits != 0; bits &= bits - 1) count++;
        if (count < s.k) revert TooFewSignatures(count, s.k);
        bytes calldata signatures = s.signatures;
        if (signatures.length != count * 65) {
            revert BadSignatureLength(signatures.length, count * 65);
        }
        uint256 offset = 0;
        for (uint256 i = 0; i < members.length; i++) {
            if ((signers >> i) & 1 == 0) continue;
            address who = recover(i, digest, signatures[offset:offset + 65]);
            // members[i] is never zero: checkSet saw the set with this hash.
            if (who != members[i]) revert WrongSigner(i, who);
            offset += 65;
        }
    }

    function recover(uint256 member, bytes32 digest, bytes calldata signature)
        private
        pure
        returns (address)
    {
        bytes32 r = bytes32(signature[0:32]);
        bytes32 s = bytes32(signature[32:64]);
        uint8 v = uint8(signature[64]);
        // A second, equally valid form of each signature is refused, so that
        // nobody but the signer can make another transaction of the same content.
        if (uint256(s) > HALF_ORDER) revert HighS(member);
        return ecrecover(digest, v, r, s);
    }
}
