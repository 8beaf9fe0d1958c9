// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AnchorLog} from "../../src/AnchorLog.sol";
import {Consistency} from "../../src/Consistency.sol";
import {Base} from "./Base.sol";

/// Plays docs/formats/vectors/contracts.json, the same that Go plays.
contract VectorsTest is Base {
    string private constant FILE = "../../docs/formats/vectors/contracts.json";

    function holds(uint64 m, bytes32 old, uint64 n, bytes32 r, bytes32[] calldata proof)
        external
        view
        returns (bool)
    {
        return Consistency.holds(m, old, n, r, proof);
    }

    // Each vector is read in a call of its own, with memory of its own.

    function test_scenes() public {
        uint256 scenes = 0;
        for (address log = this.scene(scenes); log != address(0); log = this.scene(++scenes)) {
            uint256 steps = 0;
            while (this.step(log, scenes, steps)) steps++;
            want(steps > 2, "no steps");
        }
        want(scenes > 4, "no scenes");
    }

    /// Makes the contract of a scene, if there is one.
    function scene(uint256 i) external returns (address) {
        string memory json = vm.readFile(FILE);
        string memory key = string.concat(".anchor_log[", vm.toString(i), "]");
        if (!vm.keyExistsJson(json, key)) return address(0);
        return address(
            new AnchorLog(
                vm.parseJsonBytes32(json, ".log_id"),
                vm.parseJsonAddressArray(json, string.concat(key, ".members")),
                vm.parseJsonUint(json, string.concat(key, ".k"))
            )
        );
    }

    function step(address log, uint256 i, uint256 n) external returns (bool) {
        string memory json = vm.readFile(FILE);
        string memory key =
            string.concat(".anchor_log[", vm.toString(i), "].steps[", vm.toString(n), "]");
        if (!vm.keyExistsJson(json, key)) return false;
        string memory name = vm.parseJsonString(json, string.concat(key, ".name"));
        (bool ok, bytes memory got) =
            log.call(vm.parseJsonBytes(json, string.concat(key, ".calldata")));
        want(ok == vm.parseJsonBool(json, string.concat(key, ".taken")), name);
        bytes memory revert_ = vm.parseJsonBytes(json, string.concat(key, ".revert"));
        want(ok || keccak256(got) == keccak256(revert_), name);
        return true;
    }

    function test_growth() public view {
        uint256 vectors = 0;
        while (this.growth(vectors)) vectors++;
        want(vectors > 100, "no vectors");
    }

    function growth(uint256 i) external view returns (bool) {
        string memory json = vm.readFile(FILE);
        string memory key = string.concat(".growth[", vm.toString(i), "]");
        if (!vm.keyExistsJson(json, key)) return false;
        bool got = this.holds(
            uint64(vm.parseJsonUint(json, string.concat(key, ".old_size"))),
            vm.parseJsonBytes32(json, string.concat(key, ".old_root")),
            uint64(vm.parseJsonUint(json, string.concat(key, ".size"))),
            vm.parseJsonBytes32(json, string.concat(key, ".root")),
            vm.parseJsonBytes32Array(json, string.concat(key, ".proof"))
        );
        want(
            got == vm.parseJsonBool(json, string.concat(key, ".holds")),
            vm.parseJsonString(json, string.concat(key, ".name"))
        );
        return true;
    }
}
