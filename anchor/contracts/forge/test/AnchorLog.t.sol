// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnchorLog, Statement} from "../../src/AnchorLog.sol";
import {Consistency} from "../../src/Consistency.sol";
import {Members, Signatures} from "../../src/Members.sol";
import {Base, Team} from "./Base.sol";

contract AnchorLogTest is Base {
    AnchorLog private log;
    Team private first;
    Team private second;

    uint64 private constant LARGEST = 70;

    function setUp() public {
        first = team(1, 3, 4, "first");
        second = team(2, 4, 5, "second");
        log = new AnchorLog(LOG_ID, first.members, first.k);
    }

    function holds(uint64 m, bytes32 old, uint64 n, bytes32 r, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        return Consistency.holds(m, old, n, r, proof);
    }

    function test_firstAndNext() public {
        submit(log, first, HONEST, 9);
        submit(log, first, HONEST, 25);
        (uint64 size, bytes32 r, uint64 time) = log.head();
        want(size == 25 && r == rootOf(HONEST, 25) && time == 25, "head");
        want(log.rootAt(9) == rootOf(HONEST, 9), "the first root is kept");
        want(log.reached(25) && !log.reached(26), "reached");
        Statement memory again = statement(first, HONEST, 9);
        log.submit(9, again.root, 9, new bytes32[](0), again.signatures); // passed over
    }

    function test_rotation() public {
        submit(log, first, HONEST, 9);
        rotate(log, first, second, 20);
        rotate(log, first, second, 20); // passed over
        submit(log, first, HONEST, 19);
        submit(log, second, HONEST, 20);
        want(log.fromOf(2) == 20 && log.setHash(2) == setHash(second), "second set");
    }

    function test_frozenForEver() public {
        submit(log, first, HONEST, 9);
        log.reportEquivocation(anchored(9), statement(first, 3, 9), rootOf(3, 9), new bytes32[](0));
        want(log.frozen(), "frozen");
        vm.expectPartialRevert(AnchorLog.Frozen.selector);
        this.submitTo(log, first, 12);
        vm.expectPartialRevert(AnchorLog.Frozen.selector);
        this.rotateTo(log, first, second, 20);
        want(log.rootAt(9) == rootOf(HONEST, 9), "it is read for ever");
    }

    function submitTo(AnchorLog to, Team memory t, uint64 size) external {
        submit(to, t, HONEST, size);
    }

    function rotateTo(AnchorLog to, Team memory old, Team memory next, uint64 from) external {
        rotate(to, old, next, from);
    }

    function testFuzz_everyGrowthIsTaken(uint256 a, uint256 b) public {
        uint64 old = within(a, 1, LARGEST - 1);
        uint64 size = within(b, old + 1, LARGEST);
        submit(log, first, HONEST, old);
        submit(log, first, HONEST, size);
        want(log.rootAt(size) == rootOf(HONEST, size), "root");
    }

    function testFuzz_forksAreRefused(uint256 a, uint256 b, uint256 c) public {
        uint64 old = within(a, 1, LARGEST - 1);
        uint64 size = within(b, old + 1, LARGEST);
        uint64 fork = within(c, 0, old - 1);
        submit(log, first, HONEST, old);
        Statement memory s = statement(first, fork, size);
        bytes32[] memory proof = growth(fork, old, size);
        vm.expectPartialRevert(AnchorLog.Inconsistent.selector);
        log.submit(size, s.root, size, proof, s.signatures);
    }

    /// A changed proof holds only if it is the same one.
    function testFuzz_changedProofs(uint256 a, uint256 b, uint256 where, uint256 bit, uint8 how)
        public
        view
    {
        uint64 old = within(a, 1, LARGEST - 1);
        uint64 size = within(b, old + 1, LARGEST);
        bytes32[] memory proof = growth(HONEST, old, size);
        where %= proof.length;
        if (how % 4 == 0) {
            proof[where] ^= bytes32(uint256(1) << (bit % 256));
        } else if (how % 4 == 1) {
            proof = append(proof, bytes32(bit));
        } else if (how % 4 == 2) {
            bytes32[] memory shorter = new bytes32[](proof.length - 1);
            for (uint256 i = 0; i < shorter.length; i++) shorter[i] = proof[i];
            proof = shorter;
        } else {
            uint256 other = bit % proof.length;
            vm.assume(other != where);
            (proof[where], proof[other]) = (proof[other], proof[where]);
        }
        want(!this.holds(old, rootOf(HONEST, old), size, rootOf(HONEST, size), proof), "it holds");
    }

    function testFuzz_nonsenseIsNoProof(
        uint64 m,
        bytes32 old,
        uint64 n,
        bytes32 r,
        bytes32[] calldata proof
    ) public view {
        vm.assume(m != n || old != r || proof.length > 0);
        want(!this.holds(m, old, n, r, proof), "it holds");
    }

    function testFuzz_signers(uint8 signers) public {
        Statement memory c;
        c.root = rootOf(HONEST, 9);
        uint256 bits = signers % 16;
        Signatures memory s = sign(first, checkpointDigest(first, 9, c.root, 9), bits);
        uint256 count;
        for (uint256 x = bits; x != 0; x &= x - 1) count++;
        if (count < 3) vm.expectPartialRevert(Members.TooFewSignatures.selector);
        log.submit(9, c.root, 9, new bytes32[](0), s);
        want((log.rootAt(9) != 0) == (count >= 3), "taken");
    }

    function check(bytes32 set, bytes32 digest, Signatures calldata s) external pure {
        Members.check(set, digest, s);
    }

    /// Half of the order is the largest s. A signature is made backwards: for nonce 1,
    /// whose point is the generator, each s signs some digest.
    function test_largestS() public {
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        uint256 r = 0x79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798;
        uint256 key = 4711;
        Signatures memory one;
        (one.version, one.k, one.signers) = (1, 1, 1);
        one.members = new address[](1);
        one.members[0] = vm.addr(key);
        bytes32 set = Members.hash(1, 1, one.members);
        for (uint256 s = order / 2; s <= order / 2 + 1; s++) {
            bytes32 digest = bytes32(addmod(s, order - mulmod(r, key, order), order));
            one.signatures = abi.encodePacked(r, s, uint8(27));
            want(ecrecover(digest, 27, bytes32(r), bytes32(s)) == one.members[0], "no signature");
            if (s > order / 2) vm.expectPartialRevert(Members.HighS.selector);
            this.check(set, digest, one);
        }
    }

    function testFuzz_changedSignatures(uint256 where, uint8 change) public {
        vm.assume(change != 0);
        bytes32 r = rootOf(HONEST, 9);
        Signatures memory s = sign(first, checkpointDigest(first, 9, r, 9), 7);
        where %= s.signatures.length;
        s.signatures[where] = bytes1(uint8(s.signatures[where]) ^ change);
        vm.expectRevert();
        log.submit(9, r, 9, new bytes32[](0), s);
    }

    /// What a signature was made for decides, whatever else is the same.
    function testFuzz_signedForSomethingElse(bytes32 digest) public {
        bytes32 r = rootOf(HONEST, 9);
        vm.assume(digest != checkpointDigest(first, 9, r, 9));
        Signatures memory s = sign(first, digest, 7);
        vm.expectPartialRevert(Members.WrongSigner.selector);
        log.submit(9, r, 9, new bytes32[](0), s);
    }

    /// Statements of one history freeze nothing, whatever proof is brought.
    function testFuzz_oneHistoryNeverFreezes(
        uint256 a,
        uint256 b,
        uint256 c,
        bytes32 other,
        bytes32[] memory nonsense,
        uint8 how
    ) public {
        submit(log, first, HONEST, 9);
        uint64 m = within(a, 1, LARGEST);
        uint64 n = within(b, m, LARGEST);
        uint64 fork = within(c, 0, LARGEST);
        bytes32[] memory proof = nonsense;
        if (how % 4 != 0) other = rootOf(fork, m);
        if (how % 4 == 1) proof = growth(HONEST, m, n);
        if (how % 4 == 2) proof = growth(fork, m, n);
        Statement memory x = how & 4 == 0 ? statement(first, HONEST, m) : anchored(9);
        try log.reportEquivocation(x, statement(first, HONEST, n), other, proof) {} catch {}
        try log.reportEquivocation(statement(first, HONEST, n), x, other, proof) {} catch {}
        want(!log.frozen(), "frozen without two histories");
    }

    function testFuzz_twoHistoriesFreeze(uint256 a, uint256 b, uint256 c) public {
        uint64 m = within(a, 1, LARGEST);
        uint64 n = within(b, m, LARGEST);
        uint64 fork = within(c, 0, m - 1);
        log.reportEquivocation(
            statement(first, HONEST, m), statement(first, fork, n), rootOf(fork, m), growth(fork, m, n)
        );
        want(log.frozen(), "not frozen");
    }

    /// A set signs its own sizes and no others.
    function testFuzz_setsAndSizes(uint256 a, uint256 b) public {
        uint64 from = within(a, 2, LARGEST);
        uint64 size = within(b, 1, LARGEST);
        rotate(log, first, second, from);
        Team memory wrong = size < from ? second : first;
        vm.expectPartialRevert(AnchorLog.WrongSetForSize.selector);
        this.submitTo(log, wrong, size);
        submit(log, size < from ? first : second, HONEST, size);
    }
}
