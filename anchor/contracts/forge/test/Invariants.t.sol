// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnchorLog, Statement} from "../../src/AnchorLog.sol";
import {RewardVault} from "../../src/RewardVault.sol";
import {TestToken} from "../../src/TestToken.sol";
import {Signatures} from "../../src/Members.sol";
import {Base, Team} from "./Base.sol";

/// A world in which members are honest, and everybody else tries what they can with
/// what members ever signed.
contract World is Base {
    AnchorLog public log;
    RewardVault public vault;
    TestToken public token;

    Team[] private teams;
    uint64[] private froms;
    uint64[] public sizes; // anchored
    bytes32[] public hashes; // of sets
    uint128 public funded;
    uint128 public paid;
    uint128 public promised;
    uint64 private epoch;
    address public constant PAYEE = address(0xbeef);

    constructor() {
        teams.push(team(1, 3, 4, "1"));
        froms.push(1);
        log = new AnchorLog(LOG_ID, teams[0].members, 3);
        hashes.push(setHash(teams[0]));
        token = new TestToken(type(uint128).max);
        vault = new RewardVault(address(token), block.chainid, log);
    }

    function count() external view returns (uint256) {
        return sizes.length;
    }

    function sets() external view returns (uint256) {
        return teams.length;
    }

    function newest() private view returns (Team memory) {
        return teams[teams.length - 1];
    }

    function signer(uint64 size) private view returns (Team memory) {
        uint256 i = teams.length - 1;
        while (size < froms[i]) i--;
        return teams[i];
    }

    function anchor(uint256 by) external {
        (uint64 head,,) = log.head();
        if (head > 300) return;
        uint64 size = head + within(by, 1, 9);
        submit(log, signer(size), HONEST, size);
        sizes.push(size);
    }

    function handOver(uint256 by, uint256 k) external {
        if (teams.length > 6) return;
        uint256 version = teams.length + 1;
        uint64 from = froms[froms.length - 1] + within(by, 1, 40);
        Team memory next = team(version, within(k, 1, 4), 4, vm.toString(version % 3));
        rotate(log, newest(), next, from);
        teams.push(next);
        froms.push(from);
        hashes.push(setHash(next));
    }

    /// A root that K of the old or of no set signed, K - 1 of the right one signed, or
    /// that forks: nothing of it may be taken.
    function attack(uint256 by, uint256 fork, uint8 how) external {
        (uint64 head,,) = log.head();
        uint64 size = head + within(by, 1, 9);
        fork = how % 3 == 0 || head == 0 ? HONEST : fork % head;
        Team memory right = signer(size);
        Statement memory c = statement(how % 3 == 1 ? teams[by % teams.length] : right, fork, size);
        if (how % 3 == 0) c.signatures = sign(right, checkpointDigest(right, size, c.root, size), quorum(right) >> 1);
        if (fork == HONEST && how % 3 != 0) return;
        bytes32[] memory proof = growth(fork, head == 0 ? size : head, size);
        try log.submit(size, c.root, size, proof, c.signatures) {
            revert("taken");
        } catch {}
    }

    /// What was signed once is sent again, or reported as if it were two histories.
    function replay(uint256 which, uint256 other) external {
        if (teams.length > 1) {
            uint256 i = 1 + which % (teams.length - 1);
            rotate(log, teams[i - 1], teams[i], froms[i]);
        }
        if (sizes.length == 0) return;
        uint64 m = sizes[which % sizes.length];
        uint64 n = sizes[other % sizes.length];
        if (m > n) (m, n) = (n, m);
        log.submit(m, rootOf(HONEST, m), m, new bytes32[](0), statement(newest(), HONEST, m).signatures);
        try log.reportEquivocation(
            anchored(m), statement(newest(), HONEST, n), rootOf(which % m, m), growth(which % m, m, n)
        ) {
            revert("frozen");
        } catch {}
    }

    function fund(uint64 amount) external {
        token.transfer(address(vault), amount);
        funded += amount;
    }

    /// The payout tree of one payee is its leaf.
    function activate(uint64 more, bool tooMuch) external {
        uint128 total = promised + more;
        if (tooMuch) total = funded + 1 + more;
        bytes32 leaf = vault.leaf(PAYEE, total);
        Signatures memory s = sign(newest(), vault.digest(epoch + 1, leaf, total), quorum(newest()));
        try vault.activate(epoch + 1, leaf, total, s) {
            require(total <= funded, "not covered");
            promised = total;
            epoch++;
        } catch {
            require(total > funded, "refused");
        }
    }

    function claim() external {
        if (promised <= paid) return;
        vault.claim(PAYEE, promised, 0, "");
        paid = promised;
    }
}

contract InvariantsTest is Base {
    World private world;
    AnchorLog private log;

    function setUp() public {
        world = new World();
        log = world.log();
    }

    function targetContracts() public view returns (address[] memory all) {
        all = new address[](1);
        all[0] = address(world);
    }

    function invariant_rootsAreTheLogs() public view {
        uint64 last = 0;
        for (uint256 i = 0; i < world.count(); i++) {
            uint64 size = world.sizes(i);
            want(size > last, "sizes grow");
            want(log.rootAt(size) == rootOf(HONEST, size), "another root");
            last = size;
        }
        (uint64 head, bytes32 r, uint64 time) = log.head();
        want(head == last && r == (last == 0 ? bytes32(0) : rootOf(HONEST, last)) && time == last, "head");
    }

    function invariant_setsAreThoseHandedOverTo() public view {
        uint64 last = 0;
        for (uint256 v = 1; v <= world.sets(); v++) {
            want(log.setHash(v) == world.hashes(v - 1), "another set");
            want(log.fromOf(v) > last, "sizes of sets grow");
            last = log.fromOf(v);
        }
        want(log.setHash(world.sets() + 1) == 0 && log.fromOf(world.sets() + 1) == 0, "a set too many");
        (uint256 version, bytes32 set, uint64 from, bool isFrozen) = log.newest();
        want(version == world.sets() && set == log.setHash(version) && from == last, "newest");
        want(!isFrozen, "honest members froze it");
    }

    function invariant_moneyIsThere() public view {
        RewardVault vault = world.vault();
        TestToken token = world.token();
        want(token.balanceOf(address(vault)) == world.funded() - world.paid(), "balance");
        want(token.balanceOf(world.PAYEE()) == world.paid(), "paid");
        want(vault.claimedTotal() == world.paid() && world.paid() <= world.promised(), "claimed");
        want(world.promised() <= world.funded(), "promised more than there is");
    }
}
