// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Members} from "./Members.sol";

/// AnchorLog keeps the roots of one ledger's log on a public chain. A root is
/// taken when K of the N member organisations signed it, whoever submits it, and
/// is kept by its size for ever. Nobody owns the contract, and nothing in it can
/// be changed or taken back.
contract AnchorLog {
    error ZeroRoot();
    error RootConflict(uint64 size, bytes32 stored);
    error SizeNotLarger(uint64 size, uint64 head);
    error TimeNotLater(uint64 time, uint64 head);

    event Anchored(uint64 indexed size, bytes32 root, uint64 time);

    bytes32 private constant CHECKPOINT_TAG = keccak256("killick.checkpoint.v1");

    /// The version of the member set.
    uint256 public constant setVersion = 1;

    bytes32 public immutable logId;
    bytes32 public immutable membersHash;
    uint256 public immutable k;

    // One slot: size and time of the newest checkpoint.
    uint64 private headSize;
    uint64 private headTime;

    /// The root of each anchored size, 0 where there is none.
    mapping(uint64 size => bytes32 root) public rootAt;

    constructor(bytes32 logId_, address[] memory members, uint256 k_) {
        Members.checkSet(members, k_);
        logId = logId_;
        k = k_;
        membersHash = Members.hash(setVersion, k_, members);
    }

    /// Returns the newest checkpoint, zeros before the first.
    function head() external view returns (uint64 size, bytes32 root, uint64 time) {
        return (headSize, rootAt[headSize], headTime);
    }

    /// Says whether a checkpoint of this size or a larger one is anchored.
    function reached(uint64 size) external view returns (bool) {
        return headSize >= size;
    }

    /// Returns what members sign for a checkpoint. It names no chain: a
    /// checkpoint is a fact, signed once and accepted everywhere.
    function digest(uint64 size, bytes32 root, uint64 time) public view returns (bytes32) {
        return keccak256(
            abi.encode(CHECKPOINT_TAG, logId, setVersion, membersHash, size, root, time)
        );
    }

    /// Anchors a checkpoint: larger and later than the newest one, and signed by
    /// at least K members. A checkpoint that is anchored already is passed over
    /// in silence, so that whoever comes second in a race did nothing wrong.
    function submit(
        uint64 size,
        bytes32 root,
        uint64 time,
        address[] calldata members,
        uint256 signers,
        bytes calldata signatures
    ) external {
        if (root == 0) revert ZeroRoot();
        bytes32 stored = rootAt[size];
        if (stored == root) return;
        if (stored != 0) revert RootConflict(size, stored);
        if (size <= headSize) revert SizeNotLarger(size, headSize);
        if (time <= headTime) revert TimeNotLater(time, headTime);
        Members.check(
            membersHash, setVersion, k, digest(size, root, time), members, signers, signatures
        );
        headSize = size;
        headTime = time;
        rootAt[size] = root;
        emit Anchored(size, root, time);
    }
}
