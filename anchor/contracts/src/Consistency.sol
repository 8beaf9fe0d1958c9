// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Consistency checks that one state of an append-only log grew out of another
/// (RFC 6962, section 2.1.2), with SHA-256 like the log itself.
library Consistency {
    /// Says whether `proof` shows that the tree of size n with this root begins
    /// with the m leaves of the tree whose root is `old`. A tree extends itself
    /// without a proof; the empty tree proves nothing about another.
    function holds(uint64 m, bytes32 old, uint64 n, bytes32 root, bytes32[] calldata proof)
        internal
        view
        returns (bool)
    {
        if (m == 0 || m > n) return false;
        if (m == n) return old == root && proof.length == 0;
        // Both count nodes from the left at the level that is looked at: the one
        // above leaf m - 1, and the last one of the new tree.
        uint256 index = m - 1;
        uint256 last = n - 1;
        while (index & 1 == 1) {
            index >>= 1;
            last >>= 1;
        }
        // Where m is a power of two, the old root is a node of the new tree and
        // not repeated in the proof.
        bytes32 left = old;
        uint256 next = 0;
        if (index != 0) {
            if (proof.length == 0) return false;
            left = proof[0];
            next = 1;
        }
        bytes32 all = left;
        for (; next < proof.length; next++) {
            if (last == 0) return false;
            bytes32 sibling = proof[next];
            if (index & 1 == 1 || index == last) {
                left = node(sibling, left);
                all = node(sibling, all);
                while (index & 1 == 0 && index != 0) {
                    index >>= 1;
                    last >>= 1;
                }
            } else {
                all = node(all, sibling);
            }
            index >>= 1;
            last >>= 1;
        }
        return last == 0 && left == old && all == root;
    }

    /// SHA-256 over 0x01 || left || right, by the precompiled contract at address 2,
    /// in memory that the next call takes again: Solidity's own call would use new
    /// memory for each node, at twice the price.
    function node(bytes32 left, bytes32 right) private view returns (bytes32 hash) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore8(free, 1)
            mstore(add(free, 1), left)
            mstore(add(free, 33), right)
            if iszero(staticcall(gas(), 2, free, 65, 0, 32)) { revert(0, 0) }
            hash := mload(0)
        }
    }
}
