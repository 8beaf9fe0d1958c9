// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnchorLog, Statement} from "../../src/AnchorLog.sol";
import {Members, Signatures} from "../../src/Members.sol";

/// What the tests use of forge.
interface Vm {
    function sign(uint256 key, bytes32 digest) external pure returns (uint8 v, bytes32 r, bytes32 s);
    function addr(uint256 key) external pure returns (address);
    function assume(bool condition) external pure;
    function expectPartialRevert(bytes4 reason) external;
    function expectRevert() external;
    function readFile(string calldata path) external view returns (string memory);
    function toString(uint256 value) external pure returns (string memory);
    function parseJsonUint(string calldata json, string calldata key) external pure returns (uint256);
    function parseJsonBool(string calldata json, string calldata key) external pure returns (bool);
    function parseJsonBytes32(string calldata json, string calldata key) external pure returns (bytes32);
    function parseJsonString(string calldata json, string calldata key) external pure returns (string memory);
    function parseJsonBytes(string calldata json, string calldata key) external pure returns (bytes memory);
    function parseJsonBytes32Array(string calldata json, string calldata key)
        external
        pure
        returns (bytes32[] memory);
    function parseJsonAddressArray(string calldata json, string calldata key)
        external
        pure
        returns (address[] memory);
    function keyExistsJson(string calldata json, string calldata key) external view returns (bool);
}

/// Members of a set with their keys, in ascending order of addresses.
struct Team {
    uint256 version;
    uint256 k;
    uint256[] keys;
    address[] members;
}

/// Makes what members and their logs make: keys, signatures, trees and proofs, as
/// their definitions read.
abstract contract Base {
    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);
    bytes32 internal constant LOG_ID = keccak256("a log of the tests");
    bytes32 internal constant LIST = keccak256("names and other keys");
    uint256 internal constant HONEST = type(uint256).max;

    function team(uint256 version, uint256 k, uint256 n, string memory seed)
        internal
        pure
        returns (Team memory t)
    {
        t.version = version;
        t.k = k;
        t.keys = new uint256[](n);
        t.members = new address[](n);
        for (uint256 i = 0; i < n; i++) {
            uint256 key = uint256(keccak256(abi.encode(seed, i))) >> 1;
            address who = vm.addr(key);
            uint256 place = i;
            for (; place > 0 && t.members[place - 1] > who; place--) {
                t.members[place] = t.members[place - 1];
                t.keys[place] = t.keys[place - 1];
            }
            t.members[place] = who;
            t.keys[place] = key;
        }
    }

    function setHash(Team memory t) internal pure returns (bytes32) {
        return Members.hash(t.version, t.k, t.members);
    }

    function sign(Team memory t, bytes32 digest, uint256 signers)
        internal
        pure
        returns (Signatures memory s)
    {
        s.version = t.version;
        s.k = t.k;
        s.members = t.members;
        s.signers = signers;
        for (uint256 i = 0; i < t.keys.length; i++) {
            if ((signers >> i) & 1 == 0) continue;
            (uint8 v, bytes32 r, bytes32 ss) = vm.sign(t.keys[i], digest);
            s.signatures = bytes.concat(s.signatures, r, ss, bytes1(v));
        }
    }

    /// The first k members.
    function quorum(Team memory t) internal pure returns (uint256) {
        return (1 << t.k) - 1;
    }

    function checkpointDigest(Team memory t, uint64 size, bytes32 root, uint64 time)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                keccak256("killick.checkpoint.v1"), LOG_ID, t.version, setHash(t), size, root, time
            )
        );
    }

    function rotationDigest(Team memory old, Team memory next, uint64 from)
        internal
        pure
        returns (bytes32)
    {
        return keccak256(
            abi.encode(
                keccak256("killick.rotation.v1"),
                LOG_ID,
                setHash(old),
                next.version,
                setHash(next),
                LIST,
                from
            )
        );
    }

    /// A checkpoint of the history with this fork, signed by K; its time is its size.
    function statement(Team memory t, uint256 fork, uint64 size)
        internal
        pure
        returns (Statement memory c)
    {
        c.size = size;
        c.root = rootOf(fork, size);
        c.time = size;
        c.signatures = sign(t, checkpointDigest(t, size, c.root, size), quorum(t));
    }

    function anchored(uint64 size) internal pure returns (Statement memory c) {
        c.size = size;
        c.root = rootOf(HONEST, size);
    }

    function submit(AnchorLog log, Team memory t, uint256 fork, uint64 size) internal {
        (uint64 head,,) = log.head();
        bytes32[] memory proof = head == 0 ? new bytes32[](0) : growth(fork, head, size);
        Statement memory c = statement(t, fork, size);
        log.submit(size, c.root, size, proof, c.signatures);
    }

    function rotate(AnchorLog log, Team memory old, Team memory next, uint64 from) internal {
        log.rotate(
            uint32(next.version),
            next.k,
            next.members,
            from,
            LIST,
            sign(old, rotationDigest(old, next, from), quorum(old))
        );
    }

    // A history is told by its fork: from that leaf on its leaves are its own.

    function rootOf(uint256 fork, uint256 size) internal pure returns (bytes32) {
        return size == 0 ? sha256("") : node(fork, 0, size);
    }

    function growth(uint256 fork, uint256 old, uint256 size)
        internal
        pure
        returns (bytes32[] memory)
    {
        return subproof(fork, old, 0, size, true);
    }

    function node(uint256 fork, uint256 from, uint256 to) private pure returns (bytes32) {
        if (to - from == 1) {
            return sha256(abi.encodePacked(bytes1(0x00), from, from >= fork ? fork : HONEST));
        }
        uint256 middle = from + split(to - from);
        return sha256(
            abi.encodePacked(bytes1(0x01), node(fork, from, middle), node(fork, middle, to))
        );
    }

    function subproof(uint256 fork, uint256 m, uint256 from, uint256 to, bool whole)
        private
        pure
        returns (bytes32[] memory)
    {
        if (m == to - from) {
            return whole ? new bytes32[](0) : append(new bytes32[](0), node(fork, from, to));
        }
        uint256 k = split(to - from);
        return m <= k
            ? append(subproof(fork, m, from, from + k, whole), node(fork, from + k, to))
            : append(subproof(fork, m - k, from + k, to, false), node(fork, from, from + k));
    }

    /// The largest power of two below n.
    function split(uint256 n) private pure returns (uint256 k) {
        for (k = 1; k * 2 < n;) k *= 2;
    }

    function append(bytes32[] memory list, bytes32 last)
        internal
        pure
        returns (bytes32[] memory out)
    {
        out = new bytes32[](list.length + 1);
        for (uint256 i = 0; i < list.length; i++) out[i] = list[i];
        out[list.length] = last;
    }

    function within(uint256 x, uint256 low, uint256 high) internal pure returns (uint64) {
        return uint64(low + x % (high - low + 1));
    }

    function want(bool ok, string memory what) internal pure {
        require(ok, what);
    }
}
