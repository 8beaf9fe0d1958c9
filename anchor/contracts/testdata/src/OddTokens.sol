// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// Tokens as they are found on public chains, and some that nobody should meet.
/// They share a ledger without checks; each one is odd in `transfer` alone.
abstract contract Ledger {
    mapping(address account => uint256) public balanceOf;

    constructor(uint256 supply) {
        balanceOf[msg.sender] = supply;
    }

    function move(address to, uint256 value) internal {
        balanceOf[msg.sender] -= value;
        balanceOf[to] += value;
    }
}

/// Returns nothing, as USDT on Ethereum does.
contract SilentToken is Ledger {
    constructor(uint256 supply) Ledger(supply) {}

    function transfer(address to, uint256 value) external {
        move(to, value);
    }
}

/// Pays and returns false, as USDT on Tron does.
contract FalseToken is Ledger {
    constructor(uint256 supply) Ledger(supply) {}

    function transfer(address to, uint256 value) external returns (bool) {
        move(to, value);
        return false;
    }
}

/// Returns true and pays nothing.
contract LyingToken is Ledger {
    constructor(uint256 supply) Ledger(supply) {}

    function transfer(address, uint256) external pure returns (bool) {
        return true;
    }

    /// Lets a test fund the vault.
    function give(address to, uint256 value) external {
        move(to, value);
    }
}

/// Keeps a hundredth of each payment.
contract FeeToken is Ledger {
    constructor(uint256 supply) Ledger(supply) {}

    function transfer(address to, uint256 value) external returns (bool) {
        move(to, value - value / 100);
        balanceOf[msg.sender] -= value / 100;
        return true;
    }
}

/// Takes a hundredth more than it pays out.
contract TollToken is Ledger {
    constructor(uint256 supply) Ledger(supply) {}

    function transfer(address to, uint256 value) external returns (bool) {
        move(to, value);
        balanceOf[msg.sender] -= value / 100;
        return true;
    }
}

/// Refuses every payment to a listed account.
contract BlockingToken is Ledger {
    mapping(address account => bool) public blocked;

    constructor(uint256 supply) Ledger(supply) {}

    function setBlocked(address account) external {
        blocked[account] = true;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        require(!blocked[to], "blocked");
        move(to, value);
        return true;
    }
}

/// Calls back with prepared calldata in the middle of a payment.
contract ReentrantToken is Ledger {
    bytes public call;

    constructor(uint256 supply) Ledger(supply) {}

    function setCall(bytes calldata call_) external {
        call = call_;
    }

    function transfer(address to, uint256 value) external returns (bool) {
        bytes memory data = call;
        if (data.length != 0) {
            delete call;
            (bool ok, bytes memory reason) = msg.sender.call(data);
            if (!ok) {
                assembly {
                    revert(add(reason, 32), mload(reason))
                }
            }
        }
        move(to, value);
        return true;
    }
}
