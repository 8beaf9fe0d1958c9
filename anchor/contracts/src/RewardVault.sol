// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnchorLog} from "./AnchorLog.sol";
import {Members, Signatures} from "./Members.sol";

/// What the vault asks of a token. `transfer` is not here: tokens disagree about
/// what it returns, so the vault looks at balances instead.
interface Token {
    function balanceOf(address account) external view returns (uint256);
}

/// RewardVault pays rewards of one ledger in one token on one chain. K of N
/// member organisations sign the root of a Merkle-sum tree of cumulative totals;
/// anyone may then claim for a payee, and the money goes to the payee. A root is
/// taken only when the vault holds all that it still owes. Who the members are is
/// what the ledger's AnchorLog says at that time; once that is frozen no root is
/// taken any more, and claims under the last one go on. Nobody owns the contract,
/// and money leaves it by claims alone.
contract RewardVault {
    error WrongChain(uint256 given, uint256 actual);
    error NotAContract(address account);
    error Frozen();
    error ZeroRoot();
    error EpochNotLater(uint64 epoch, uint64 active);
    error TotalFell(uint128 total, uint128 active);
    error Underfunded(uint256 owed, uint256 balance);
    error NothingToClaim(address payee, uint128 claimed);
    error BadProof();
    error ExceedsTotal(uint256 claimed, uint128 total);
    error TransferFailed(address payee, uint128 amount);

    event Activated(uint64 indexed epoch, bytes32 root, uint128 total);
    event Claimed(address indexed payee, uint128 amount, uint128 cumulative);

    bytes32 private constant PAYOUT_TAG = keccak256("killick.payout.v1");
    bytes32 private constant LEAF_TAG = keccak256("killick.leaf.v1");

    /// A level of a proof: the sibling's sum, 16 bytes, and its hash, 32 bytes.
    uint256 private constant LEVEL = 48;

    address public immutable token;
    uint256 public immutable chainId;
    AnchorLog public immutable anchorLog;
    bytes32 public immutable logId;

    /// What sets the leaves of this vault apart from those of any other.
    bytes32 public immutable domain;

    // One slot: number and total of the active epoch.
    uint64 private activeEpoch;
    uint128 private activeTotal;
    bytes32 private activeRoot;

    /// The sum of all payments, never more than the active total.
    uint128 public claimedTotal;

    /// What each payee has been paid so far.
    mapping(address payee => uint128 amount) public claimed;

    constructor(address token_, uint256 chainId_, AnchorLog anchorLog_) {
        if (chainId_ != block.chainid) revert WrongChain(chainId_, block.chainid);
        if (token_.code.length == 0) revert NotAContract(token_);
        if (address(anchorLog_).code.length == 0) revert NotAContract(address(anchorLog_));
        token = token_;
        chainId = chainId_;
        anchorLog = anchorLog_;
        bytes32 id = anchorLog_.logId();
        logId = id;
        domain = keccak256(abi.encode(LEAF_TAG, chainId_, address(this), token_, id));
    }

    /// Returns the active epoch, zeros before the first.
    function active() external view returns (uint64 epoch, bytes32 root, uint128 total) {
        return (activeEpoch, activeRoot, activeTotal);
    }

    /// Says whether this epoch or a later one is active.
    function reached(uint64 epoch) external view returns (bool) {
        return activeEpoch >= epoch;
    }

    /// Says whether the payee has been paid this cumulative amount or more.
    function paid(address payee, uint128 cumulative) external view returns (bool) {
        return claimed[payee] >= cumulative;
    }

    /// Says whether signatures of the set of this version come too late for any
    /// epoch: the log has a newer set, or is frozen.
    function late(uint256 version) external view returns (bool) {
        (uint256 newest,,, bool frozen) = anchorLog.newest();
        return frozen || version < newest;
    }

    /// Returns what members of the newest set sign for an epoch.
    function digest(uint64 epoch, bytes32 root, uint128 total) external view returns (bytes32) {
        (uint256 version, bytes32 set,,) = anchorLog.newest();
        return payoutDigest(version, set, epoch, root, total);
    }

    /// Returns the leaf hash of a payee's cumulative total.
    function leaf(address payee, uint128 cumulative) public view returns (bytes32) {
        return keccak256(abi.encodePacked(bytes1(0x00), domain, payee, cumulative));
    }

    /// Makes an epoch the one that is claimed from: later than the active one,
    /// not below its total, covered by the vault's balance, and signed by at
    /// least K members of the newest set. The active epoch itself is passed over in
    /// silence.
    function activate(uint64 epoch, bytes32 root, uint128 total, Signatures calldata signatures)
        external
    {
        if (root == 0) revert ZeroRoot();
        if (epoch == activeEpoch && root == activeRoot && total == activeTotal) return;
        if (epoch <= activeEpoch) revert EpochNotLater(epoch, activeEpoch);
        if (total < activeTotal) revert TotalFell(total, activeTotal);
        (uint256 version, bytes32 set,, bool frozen) = anchorLog.newest();
        if (frozen) revert Frozen();
        Members.check(set, payoutDigest(version, set, epoch, root, total), signatures);
        uint256 owed = total - claimedTotal;
        uint256 balance = Token(token).balanceOf(address(this));
        if (owed > balance) revert Underfunded(owed, balance);
        activeEpoch = epoch;
        activeTotal = total;
        activeRoot = root;
        emit Activated(epoch, root, total);
    }

    /// Pays a payee the difference between the proved cumulative total and what
    /// was paid before. `levels` leads from the leaf to the root; bit i of
    /// `sides` is 1 when the sibling at level i is on the left.
    function claim(address payee, uint128 cumulative, uint256 sides, bytes calldata levels)
        external
    {
        uint128 before = claimed[payee];
        if (cumulative <= before) revert NothingToClaim(payee, before);
        prove(leaf(payee, cumulative), cumulative, sides, levels);
        uint128 amount = cumulative - before;
        uint256 sum = uint256(claimedTotal) + amount;
        // A root that lowers one payee's total and raises another's must not be
        // paid with money that belongs to a third.
        if (sum > activeTotal) revert ExceedsTotal(sum, activeTotal);
        // Before the transfer: a token that calls back finds the claim done.
        claimed[payee] = cumulative;
        claimedTotal = uint128(sum);
        pay(payee, amount);
        emit Claimed(payee, amount, cumulative);
    }

    /// What members sign for an epoch is bound to this vault, since the same
    /// payout on two vaults would pay twice.
    function payoutDigest(
        uint256 version,
        bytes32 set,
        uint64 epoch,
        bytes32 root,
        uint128 total
    ) private view returns (bytes32) {
        return keccak256(
            abi.encode(
                PAYOUT_TAG, chainId, address(this), logId, version, set, epoch, root, total
            )
        );
    }

    /// Reverts unless the path leads to the active root and the active total.
    function prove(bytes32 node, uint256 sum, uint256 sides, bytes calldata levels) private view {
        uint256 count = levels.length / LEVEL;
        if (levels.length % LEVEL != 0 || count > 256) revert BadProof();
        for (uint256 i = 0; i < count; i++) {
            uint128 siblingSum = uint128(bytes16(levels[0:16]));
            bytes32 sibling = bytes32(levels[16:LEVEL]);
            levels = levels[LEVEL:];
            uint128 own = uint128(sum);
            node = sides & 1 == 1
                ? keccak256(abi.encodePacked(bytes1(0x01), siblingSum, sibling, own, node))
                : keccak256(abi.encodePacked(bytes1(0x01), own, node, siblingSum, sibling));
            sides >>= 1;
            sum += siblingSum;
            // Sums only grow, so one that leaves 16 bytes can never be right.
            if (sum > type(uint128).max) revert BadProof();
        }
        if (sides != 0 || node != activeRoot || sum != activeTotal) revert BadProof();
    }

    /// Transfers and judges by the balances on both sides: tokens in wide use
    /// return nothing, or false although they paid.
    function pay(address payee, uint128 amount) private {
        uint256 own = Token(token).balanceOf(address(this));
        uint256 theirs = Token(token).balanceOf(payee);
        (bool ok,) = token.call(
            abi.encodeWithSignature("transfer(address,uint256)", payee, uint256(amount))
        );
        if (
            !ok || Token(token).balanceOf(payee) != theirs + amount
                || Token(token).balanceOf(address(this)) + amount != own
        ) revert TransferFailed(payee, amount);
    }
}
