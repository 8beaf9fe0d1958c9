// Tests of the verifier's page in Chromium. TestBrowser in anchor/verify starts the nodes
// and this file, and says in KILLICK_STAGE what there is.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { AxeBuilder } from '@axe-core/playwright';
import { chromium } from 'playwright-core';

const stage = JSON.parse(fs.readFileSync(process.env.KILLICK_STAGE));
const good = stage.bundles[0];
const widths = { desktop: { width: 1280, height: 900 }, phone: { width: 360, height: 740 } };
let browser;

before(async () => { browser = await chromium.launch({ executablePath: stage.chromium, args: ['--no-sandbox'] }); });
after(() => browser?.close());

// open shows the page from disk. What it asks the network for is in requests.
async function open(options = {}) {
  const context = await browser.newContext({ viewport: widths.desktop, ...options });
  const page = await context.newPage();
  page.requests = [];
  page.checks = 0;
  page.on('request', (r) => { if (/^https?:/.test(r.url())) page.requests.push(r.url()); });
  page.on('pageerror', (e) => assert.fail(`error in the page: ${e}`));
  await page.goto(pathToFileURL(options.file ?? stage.page).href);
  await settled(page, 'Nothing to check yet');
  page.close = () => context.close();
  return page;
}

// settled waits for the check that the last action began, and returns its lines. The
// verdict must begin as said.
async function settled(page, verdict) {
  const shown = await page.waitForFunction((seen) => {
    const report = document.getElementById('report');
    if (report.getAttribute('aria-busy') !== 'false' || Number(report.dataset.checks) <= seen) return null;
    return {
      checks: Number(report.dataset.checks), verdict: document.getElementById('verdict').textContent.trim(),
      verified: document.getElementById('verdict').classList.contains('verified'),
      lines: [...document.querySelectorAll('#checks li')].map((li) => [...li.children].map((e) => e.textContent)),
    };
  }, page.checks);
  const now = await shown.jsonValue();
  page.checks = now.checks;
  assert.match(now.verdict, new RegExp(`^${verdict}`));
  assert.equal(now.verified, now.verdict.startsWith('VERIFIED'), 'only what is verified looks so');
  return now.lines;
}

// choose sets both files and returns the lines of the check.
async function choose(page, verdict, bundle, policy = stage.policy) {
  await page.setInputFiles('#policy', policy);
  await settled(page, '');
  await page.setInputFiles('#bundle', bundle);
  return settled(page, verdict);
}

// drop drops files with these texts; the check of the last of them counts.
async function drop(page, ...texts) {
  const dataTransfer = await page.evaluateHandle((all) => {
    const d = new DataTransfer();
    all.forEach((text, i) => d.items.add(new File([text], `file${i}`)));
    return d;
  }, texts);
  await page.dispatchEvent('body', 'drop', { dataTransfer });
  page.checks += texts.length - 1;
}

async function allow(page, nodes, one = false) {
  await page.fill('#evm', nodes.evm.join('\n'));
  await page.fill('#tron', nodes.tron.join('\n'));
  await page.setChecked('#one', one);
  await page.click('#allow');
}

const failures = (checks) => checks.filter(([status]) => status === 'FAIL').map(([, name]) => name);
const shot = async (page, name) => stage.shots && page.screenshot({ path: path.join(stage.shots, `${name}.png`), fullPage: true });

for (const [name, viewport] of Object.entries(widths)) {
  test(`${name}: a good bundle from disk without a network`, async () => {
    const page = await open({ viewport, offline: true });
    const checks = await choose(page, 'NOT FULLY CHECKED', good.file);
    assert.ok(checks.length > 8);
    for (const [status, check] of checks) assert.equal(status, check.startsWith('chain') ? 'not checked' : 'ok', check);
    assert.match(await page.textContent('#offline'), /No public chain was read/);
    assert.ok(await page.isVisible('#offline'));
    assert.deepEqual(page.requests, []);
    const [inside, outside] = await page.evaluate(() => [document.documentElement.clientWidth, document.documentElement.scrollWidth]);
    assert.ok(outside <= inside, `scrolls sideways: ${outside} of ${inside}`);
    await page.close();
  });

  test(`${name}: by keyboard alone`, async () => {
    const page = await open({ viewport });
    const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
    const tabTo = async (wanted) => {
      for (let i = 0; i < 40; i++) {
        await page.keyboard.press('Tab');
        if (wanted.test(await focused())) return;
      }
      assert.fail(`Tab does not lead to ${wanted}`);
    };
    for (const [id, file] of [['bundle', good.file], ['policy', stage.policy]]) {
      await tabTo(new RegExp(`^${id}$`));
      const [chooser] = await Promise.all([page.waitForEvent('filechooser'), page.keyboard.press('Space')]);
      await chooser.setFiles(file);
      await settled(page, id === 'bundle' ? 'Nothing to check yet' : 'NOT FULLY CHECKED');
    }
    for (const id of ['evm', 'tron']) {
      await tabTo(new RegExp(`^${id}$`));
      await page.keyboard.insertText(stage.honest[id][0]);
    }
    await tabTo(/^one$/);
    await page.keyboard.press('Space');
    await tabTo(/^allow$/);
    await page.keyboard.press('Enter');
    await settled(page, 'VERIFIED at depth L1');
    await tabTo(/^Change the signature/);
    await page.keyboard.press('Enter');
    await settled(page, 'INVALID');
    await page.focus('#print'); // what Shift+Tab reaches is before it
    for (let i = 0; i < 9 && await focused() !== 'restore'; i++) await page.keyboard.press('Shift+Tab');
    assert.equal(await focused(), 'restore');
    await page.keyboard.press('Enter');
    await settled(page, 'VERIFIED at depth L1');
    await page.close();
  });

  for (const colorScheme of ['light', 'dark']) {
    test(`${name}, ${colorScheme}: axe finds nothing`, async () => {
      const page = await open({ viewport, colorScheme });
      const clean = async (state) => {
        await shot(page, `${name}-${colorScheme}-${state}`);
        const { violations } = await new AxeBuilder({ page }).analyze();
        assert.deepEqual(violations.map((v) => `${state}: ${v.id}: ${v.nodes.map((n) => n.target)} ${v.nodes[0].failureSummary}`), []);
      };
      await clean('empty');
      await choose(page, 'NOT FULLY CHECKED', good.file);
      await page.click('summary');
      await clean('partly');
      await page.click('summary');
      await page.fill('#evm', 'nonsense');
      await page.click('#allow');
      await clean('mistake');
      await allow(page, stage.honest);
      await settled(page, 'VERIFIED');
      await clean('verified');
      await page.getByRole('button', { name: 'Change the root' }).click();
      await settled(page, 'INVALID');
      await clean('invalid');
      await page.emulateMedia({ media: 'print' });
      await shot(page, `${name}-${colorScheme}-print`);
      await page.close();
    });
  }
}

test('every kind of bundle, without a network and with one', async () => {
  const page = await open();
  const words = { verified: 'VERIFIED at depth L1', invalid: 'INVALID', 'not fully checked': 'NOT FULLY CHECKED' };
  await page.setInputFiles('#policy', stage.policy);
  await settled(page, 'Nothing to check yet');
  for (const b of stage.bundles) {
    const onChain = b.failed.startsWith('chain') || b.failed.startsWith('vault');
    await page.setInputFiles('#bundle', b.file);
    const checks = await settled(page, b.verdict === 'invalid' && !onChain ? 'INVALID' : 'NOT FULLY CHECKED');
    if (!onChain) assert.equal(failures(checks)[0] ?? '', b.failed, b.name);
  }
  assert.deepEqual(page.requests, []);
  await allow(page, stage.honest);
  await settled(page, '');
  for (const b of stage.bundles) {
    await page.setInputFiles('#bundle', b.file);
    assert.equal(failures(await settled(page, words[b.verdict]))[0] ?? '', b.failed, b.name);
  }
  await page.close();
});

test('each forgery fails where its button says', async () => {
  const page = await open();
  await choose(page, 'NOT FULLY CHECKED', good.file);
  await allow(page, stage.honest);
  await settled(page, 'VERIFIED');
  const buttons = page.locator('#forgeries button');
  assert.equal(await buttons.count(), 6);
  for (let i = 0; i < 6; i++) {
    const says = /found by “(.*)”/.exec(await buttons.nth(i).textContent())[1];
    await buttons.nth(i).click();
    const failed = failures(await settled(page, 'INVALID'));
    assert.ok(failed.some((name) => name.startsWith(says)), `${says}: ${failed}`);
    assert.match(await page.textContent('#about'), /altered on this page/);
    await page.click('#restore');
    await settled(page, 'VERIFIED');
  }
  await page.close();
});

test('the EVM node and the Tron node', async () => {
  const page = await open();
  await choose(page, 'NOT FULLY CHECKED', stage.real.bundle, stage.real.policy);
  await allow(page, stage.real);
  const checks = await settled(page, 'VERIFIED at depth L1');
  assert.equal(checks.filter(([, name]) => name.startsWith('endpoints')).length, 2);
  assert.ok((await choose(page, 'VERIFIED', stage.real.payout, stage.real.policy)).some(([status, name]) => status === 'ok' && name.startsWith('vault tron:')));
  await page.getByRole('button', { name: 'Change the anchor' }).click();
  assert.ok(failures(await settled(page, 'INVALID'))[0].startsWith('chain'));
  await page.close();
});

test('endpoints that lie, disagree, are gone, move, or are alone', async () => {
  const page = await open();
  await choose(page, 'NOT FULLY CHECKED', good.file);
  const { honest, lying, gone, moved } = stage;
  const cases = [
    [{ evm: lying.evm, tron: honest.tron }, true, 'INVALID', /another root/],
    [{ evm: [honest.evm[0], ...lying.evm], tron: honest.tron }, false, 'INVALID', /another root/],
    [{ evm: [honest.evm[0], gone], tron: honest.tron }, false, 'NOT FULLY CHECKED', /alone answered/],
    [{ evm: [...honest.evm, gone], tron: honest.tron }, false, 'VERIFIED', /unreachable/],
    [{ evm: [gone], tron: honest.tron }, true, 'NOT FULLY CHECKED', /unreachable/],
    [{ evm: [moved], tron: honest.tron }, true, 'NOT FULLY CHECKED', /redirects/],
    [{ evm: [honest.tron[0]], tron: honest.tron }, true, 'NOT FULLY CHECKED', /serves chain/],
    [{ evm: [honest.evm[0]], tron: [honest.tron[0]] }, false, 'NOT FULLY CHECKED', /alone answered/],
    [{ evm: [honest.evm[0]], tron: [honest.tron[0]] }, true, 'VERIFIED', /alone/],
    [{ evm: honest.evm, tron: [] }, false, 'NOT FULLY CHECKED', /no endpoint was given/],
    [honest, false, 'VERIFIED', /2 endpoints answered/],
  ];
  for (const [nodes, one, verdict, text] of cases) {
    await allow(page, nodes, one);
    await settled(page, verdict);
    assert.match(await page.textContent('#found'), text);
  }
  await page.click('#forbid');
  await settled(page, 'NOT FULLY CHECKED');
  await page.close();
});

test('the browser stops every connection that was not allowed', async () => {
  const page = await open();
  const reach = async (address) => page.frames()[1].evaluate((a) => fetch(a, { method: 'POST', mode: 'no-cors' }).then(() => 'reached', () => 'stopped'), address);
  const [first, other] = stage.honest.evm;
  assert.equal(await reach(first), 'stopped');
  await choose(page, 'NOT FULLY CHECKED', good.file);
  await allow(page, { evm: [first], tron: [] });
  await settled(page, 'NOT FULLY CHECKED');
  assert.equal(await reach(first), 'reached');
  assert.equal(await reach(other), 'stopped');
  await page.click('#forbid');
  await settled(page, 'NOT FULLY CHECKED');
  assert.equal(await reach(first), 'stopped');
  for (const nonsense of ['ftp://x', 'x', 'http://a;b', 'http://user:word@host', 'https://[::1]:1']) {
    await allow(page, { evm: [nonsense], tron: [] });
    assert.match(await page.textContent('#endpoints-error'), /Nothing was allowed/);
    assert.equal(await reach(first), 'stopped');
  }
  await page.close();
});

test('a verifier that stops verifies nothing, and the next one goes on', async () => {
  const page = await open();
  await choose(page, 'NOT FULLY CHECKED', good.file);
  await allow(page, stage.honest);
  await settled(page, 'VERIFIED');
  await page.frames()[1].evaluate(() => { globalThis.killickVerify = () => { throw new Error('boom'); }; });
  await page.setInputFiles('#bundle', good.file);
  await settled(page, 'INVALID');
  assert.match(await page.textContent('#last'), /boom/);
  await page.setInputFiles('#bundle', good.file);
  await settled(page, 'VERIFIED');
  // A panic of Go itself, which ends the program.
  await page.frames()[1].evaluate(() => { const good = killickVerify; globalThis.killickVerify = () => good(null); });
  await page.setInputFiles('#bundle', good.file);
  await settled(page, 'INVALID');
  await page.close();
});

test('files that are none', async () => {
  const page = await open();
  const file = (name, data) => ({ name, mimeType: '', buffer: Buffer.from(data) });
  for (const data of ['', 'x', 'killick anchorproof v1\n\n', '\0\xff', 'x'.repeat(1 << 20), '<img src=x onerror=alert(1)>']) {
    assert.deepEqual(failures(await choose(page, 'INVALID', file('<b>.anchorproof', data))), ['form']);
  }
  await choose(page, 'NOT CHECKED', good.file, good.file);
  await choose(page, 'Nothing to check yet', file('large', 'x'.repeat((1 << 20) + 1)));
  assert.match(await page.textContent('#bundle-name'), /large is larger than/);
  assert.equal(await page.isVisible('#found'), false);
  await page.close();
});

test('nothing of the file before is left when one cannot be read', async () => {
  const page = await open();
  await choose(page, 'NOT FULLY CHECKED', good.file);
  await page.evaluate(() => { Blob.prototype.arrayBuffer = Blob.prototype.text = () => Promise.reject(new Error('gone')); });
  await page.setInputFiles('#policy', stage.policy);
  await settled(page, 'Nothing to check yet');
  await drop(page, 'x');
  await settled(page, 'Nothing to check yet');
  for (const kind of ['policy', 'bundle']) assert.match(await page.textContent(`#${kind}-name`), /cannot be read: gone/);
  assert.equal(await page.isVisible('#found'), false);
  await page.close();
});

test('a policy that is built in, dropped files, supplied headers', async () => {
  const page = await open({ file: stage.pinned });
  assert.match(await page.textContent('#policy-name'), /built into this page/);
  await page.setInputFiles('#bundle', good.file);
  await settled(page, 'NOT FULLY CHECKED');
  const files = [stage.policy, good.file].map((f) => fs.readFileSync(f, 'utf8'));
  await drop(page, files[0]); // whoever sends a bundle may send a policy beside it
  assert.deepEqual(failures(await settled(page, 'INVALID')), ['form']);
  assert.match(await page.textContent('#policy-name'), /built into this page/);
  await page.setInputFiles('#policy', stage.policy);
  await settled(page, 'INVALID');
  assert.doesNotMatch(await page.textContent('#policy-name'), /built into this page/);
  await page.close();

  const other = await open();
  await drop(other, ...files);
  await settled(other, 'NOT FULLY CHECKED');
  await other.click('summary');
  await other.fill('#headers', stage.headers.join('\n'));
  await other.click('#compare');
  await settled(other, 'MATCHES THE SUPPLIED HEADER');
  for (const header of stage.headers) assert.ok((await other.textContent('#about')).includes(header));
  await other.fill('#headers', stage.headers[0].replace(/.$/, (c) => (c === '0' ? '1' : '0')));
  await other.click('#compare');
  await settled(other, 'INVALID');
  await other.close();
});

test('the report on paper and as a file', async () => {
  const page = await open();
  await choose(page, 'NOT FULLY CHECKED', good.file);
  await allow(page, stage.honest);
  await settled(page, 'VERIFIED');
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#save')]);
  const saved = JSON.parse(fs.readFileSync(await download.path()));
  assert.equal(saved.finding.exit, 0);
  assert.match(saved.bundle.sha256, /^[0-9a-f]{64}$/);
  await page.emulateMedia({ media: 'print' });
  for (const hidden of ['#inputs', '#forge', '#print', '#save']) assert.equal(await page.isVisible(hidden), false, hidden);
  const text = await page.locator('body').innerText();
  for (const part of ['VERIFIED at depth L1', 'cosignatures', saved.bundle.sha256, saved.policy.sha256, ...saved.endpoints, String(new Date().getFullYear())]) {
    assert.ok(text.includes(part), part);
  }
  const pdf = await page.pdf({ path: stage.shots ? path.join(stage.shots, 'report.pdf') : undefined });
  assert.ok(pdf.length > 10_000);
  await page.close();
});

// The tests of anchor/log that play the vectors of contracts.json, as WebAssembly.
test('the vectors of proofs, signatures, rotations and equivocation', async () => {
  const page = await browser.newPage();
  await page.goto(`${stage.vectors}/vectors/`);
  await page.addScriptTag({ url: `${stage.vectors}/wasm/wasm_exec.js` });
  const { code, output } = await page.evaluate(async () => {
    const file = new Uint8Array(await (await fetch('/vectors/contracts.json')).arrayBuffer());
    const no = (callback, code) => callback(Object.assign(new Error(code), { code }));
    const stat = { mode: 0o100644, size: file.length, dev: 0, ino: 0, nlink: 1, uid: 0, gid: 0, rdev: 0, blksize: 0, blocks: 0, atimeMs: 0, mtimeMs: 0, ctimeMs: 0, isDirectory: () => false };
    let output = '', at = 0;
    // A file system with one file.
    Object.assign(globalThis.fs, {
      writeSync(fd, data) { output += new TextDecoder().decode(data); return data.length; },
      open(name, flags, mode, callback) { if (!name.endsWith('/contracts.json')) return no(callback, 'ENOENT'); at = 0; callback(null, 9); },
      fstat(fd, callback) { callback(null, stat); },
      read(fd, buffer, offset, length, position, callback) {
        const part = file.subarray(at, at + length);
        buffer.set(part, offset);
        at += part.length;
        callback(null, part.length);
      },
      close(fd, callback) { callback(null); },
    });
    const go = new Go();
    let code = 0;
    go.exit = (c) => { code = c; };
    go.argv = ['log.test', '-test.v', '-test.run', '^(TestGrowthVectors|TestAnchorLogVectors)$'];
    const { instance } = await WebAssembly.instantiateStreaming(fetch('/log.test.wasm'), go.importObject);
    await go.run(instance);
    return { code, output };
  });
  assert.equal(code, 0, output);
  for (const name of ['TestGrowthVectors', 'TestAnchorLogVectors']) assert.match(output, new RegExp(`--- PASS: ${name}`), output);
  await page.close();
});
