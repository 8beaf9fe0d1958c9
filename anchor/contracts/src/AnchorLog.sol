// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Consistency} from "./Consistency.sol";
import {Members, Signatures} from "./Members.sol";

/// A checkpoint that somebody answers for: members of a set by their signatures,
/// or, without any, the contract itself, which has anchored it.
struct Statement {
    uint64 size;
    bytes32 root;
    uint64 time;
    Signatures signatures;
}

/// AnchorLog keeps the roots of one ledger's log on a public chain. A root is
/// taken when K of the N member organisations signed it and it is proved to extend
/// the newest one, whoever submits it, and is kept by its size for ever. The
/// members hand over to the next set by K of their signatures. Nobody owns the
/// contract, and nothing in it can be taken back.
contract AnchorLog {
    error Frozen();
    error ZeroRoot();
    error RootConflict(uint64 size, bytes32 stored);
    error SizeNotLarger(uint64 size, uint64 head);
    error TimeNotLater(uint64 time, uint64 head);
    error Inconsistent(uint64 size);
    error WrongSetForSize(uint256 version, uint64 size);
    error VersionNotNext(uint256 version, uint256 newest);
    error FromNotLater(uint64 from, uint64 newest);
    error NotAnchored(uint64 size, bytes32 root);
    error OneHistory();

    event Anchored(uint64 indexed size, bytes32 root, uint64 time);
    event Rotated(uint256 indexed version, uint64 from, bytes32 set, bytes32 list);
    event Equivocation(uint64 size, bytes32 root, uint64 otherSize, bytes32 otherRoot);

    bytes32 private constant CHECKPOINT_TAG = keccak256("killick.checkpoint.v1");
    bytes32 private constant ROTATION_TAG = keccak256("killick.rotation.v1");

    /// One slot: size and time of the newest checkpoint, version and first size of
    /// the newest member set, and whether the contract is frozen.
    struct State {
        uint64 size;
        uint64 time;
        uint32 version;
        uint64 from;
        bool frozen;
    }

    bytes32 public immutable logId;

    State private state;

    /// The root of each anchored size, 0 where there is none.
    mapping(uint64 size => bytes32 root) public rootAt;

    /// The hash of each member set, 0 where there is none. Versions count from 1.
    mapping(uint256 version => bytes32 hash) public setHash;

    /// The first size that each member set signs, 0 where there is none; the last
    /// is the one below the first of the next set.
    mapping(uint256 version => uint64 size) public fromOf;

    constructor(bytes32 logId_, address[] memory members, uint256 k) {
        Members.checkSet(members, k);
        logId = logId_;
        state.version = 1;
        state.from = 1;
        fromOf[1] = 1;
        setHash[1] = Members.hash(1, k, members);
    }

    /// Returns the newest checkpoint, zeros before the first.
    function head() external view returns (uint64 size, bytes32 root, uint64 time) {
        return (state.size, rootAt[state.size], state.time);
    }

    /// Says whether a checkpoint of this size or a larger one is anchored.
    function reached(uint64 size) external view returns (bool) {
        return state.size >= size;
    }

    /// Returns the newest member set, and whether the contract is frozen.
    function newest()
        external
        view
        returns (uint256 version, bytes32 set, uint64 from, bool isFrozen)
    {
        State memory s = state;
        return (s.version, setHash[s.version], s.from, s.frozen);
    }

    /// Says whether members were shown to have signed two histories. A frozen
    /// contract takes nothing any more; what it holds can be read for ever.
    function frozen() external view returns (bool) {
        return state.frozen;
    }

    /// Returns what members of a set sign for a checkpoint. It names no chain: a
    /// checkpoint is a fact, signed once and accepted everywhere.
    function digest(uint256 version, uint64 size, bytes32 root, uint64 time)
        external
        view
        returns (bytes32)
    {
        return checkpointDigest(version, setHash[version], size, root, time);
    }

    /// Anchors a checkpoint: larger and later than the newest one, proved to
    /// extend it (the first one needs no proof), and signed by at least K members
    /// of the set whose sizes it belongs to. A checkpoint that is anchored already
    /// is passed over in silence, so that whoever comes second in a race did
    /// nothing wrong.
    function submit(
        uint64 size,
        bytes32 root,
        uint64 time,
        bytes32[] calldata proof,
        Signatures calldata signatures
    ) external {
        State memory s = state;
        if (s.frozen) revert Frozen();
        if (root == 0) revert ZeroRoot();
        bytes32 stored = rootAt[size];
        if (stored == root) return;
        if (stored != 0) revert RootConflict(size, stored);
        if (size <= s.size) revert SizeNotLarger(size, s.size);
        if (time <= s.time) revert TimeNotLater(time, s.time);
        // Before the signatures: this is what a race is lost by.
        bool extends_ = s.size == 0
            ? proof.length == 0
            : Consistency.holds(s.size, rootAt[s.size], size, root, proof);
        if (!extends_) revert Inconsistent(s.size);
        checkSigned(s, size, root, time, signatures);
        state.size = size;
        state.time = time;
        rootAt[size] = root;
        emit Anchored(size, root, time);
    }

    /// Hands over to the next member set, which signs all sizes from `from` on: K
    /// members of the newest set signed it. `list` is the hash of what the
    /// contract does not know of the new members. Sizes that are anchored already
    /// stay, whatever `from` is. A rotation that has happened is passed over in
    /// silence.
    function rotate(
        uint32 version,
        uint256 k,
        address[] calldata members,
        uint64 from,
        bytes32 list,
        Signatures calldata signatures
    ) external {
        State memory s = state;
        if (s.frozen) revert Frozen();
        bytes32 next = Members.hash(version, k, members);
        if (setHash[version] == next && fromOf[version] == from) return;
        if (version != uint256(s.version) + 1) revert VersionNotNext(version, s.version);
        if (from <= s.from) revert FromNotLater(from, s.from);
        Members.checkSet(members, k);
        bytes32 old = setHash[s.version];
        Members.check(
            old,
            keccak256(abi.encode(ROTATION_TAG, logId, old, version, next, list, from)),
            signatures
        );
        state.version = version;
        state.from = from;
        setHash[version] = next;
        fromOf[version] = from;
        emit Rotated(version, from, next, list);
    }

    /// Freezes the contract on proof that members who can still anchor something
    /// signed two histories: the tree of `b` begins with `a.size` leaves whose root
    /// is `other`, and `a` states another root for them. For two roots of one size
    /// the proof is empty and `other` is the root of `b`. Either statement may be
    /// one that is anchored, without signatures, but checkpoints of one history
    /// can never be made into a proof.
    function reportEquivocation(
        Statement calldata a,
        Statement calldata b,
        bytes32 other,
        bytes32[] calldata proof
    ) external {
        State memory s = state;
        if (s.frozen) return;
        checkStatement(s, a);
        checkStatement(s, b);
        if (other == a.root) revert OneHistory();
        if (!Consistency.holds(a.size, other, b.size, b.root, proof)) revert Inconsistent(a.size);
        state.frozen = true;
        emit Equivocation(a.size, a.root, b.size, b.root);
    }

    /// Reverts unless the checkpoint is anchored, or signed by a set that can still
    /// anchor something: the newest one, or one before it while the head is below
    /// the last of its sizes.
    function checkStatement(State memory s, Statement calldata c) private view {
        if (c.signatures.signers == 0) {
            if (c.root == 0 || rootAt[c.size] != c.root) revert NotAnchored(c.size, c.root);
            return;
        }
        uint256 version = c.signatures.version;
        // The keys of a set that has no size left may have been given up since.
        if (version < s.version && fromOf[version + 1] <= uint256(s.size) + 1) {
            revert WrongSetForSize(version, c.size);
        }
        checkSigned(s, c.size, c.root, c.time, c.signatures);
    }

    /// Reverts unless K members of the set to which the size belongs signed.
    function checkSigned(
        State memory s,
        uint64 size,
        bytes32 root,
        uint64 time,
        Signatures calldata signatures
    ) private view {
        uint256 version = signatures.version;
        bool belongs = version == s.version
            ? size >= s.from
            : version < s.version && size >= fromOf[version] && size < fromOf[version + 1];
        if (!belongs) revert WrongSetForSize(version, size);
        bytes32 set = setHash[version];
        Members.check(set, checkpointDigest(version, set, size, root, time), signatures);
    }

    function checkpointDigest(
        uint256 version,
        bytes32 set,
        uint64 size,
        bytes32 root,
        uint64 time
    ) private view returns (bytes32) {
        return keccak256(abi.encode(CHECKPOINT_TAG, logId, version, set, size, root, time));
    }
}
