// The page around the verifier. The verifier itself runs in a frame without an origin,
// whose Content-Security-Policy names the endpoints that the user allowed: the browser,
// not this script, stops every other connection. Changing them makes a new frame.
'use strict';

const $ = (id) => document.getElementById(id);
const embedded = (id) => Uint8Array.from(atob($(id).textContent), (c) => c.charCodeAt(0));
const maxFile = 1 << 20; // bytes; what killick-verify takes of a bundle or policy

const state = {
  bundle: null, policy: null, // { name, data }
  forged: null, // { text, data }: a changed copy of the bundle
  allowed: { evm: [], tron: [], one: false }, headers: [],
  shown: null, // what the last report was about
};
let program, verifier, turn = 0;

// element makes an element with text in it; nothing from a file ever becomes markup.
function element(tag, text, attributes = {}) {
  const e = document.createElement(tag);
  e.textContent = text;
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  return e;
}

// origins returns what a frame may connect to, or throws at an address that is none.
function origins(addresses) {
  return addresses.map((text) => {
    let url;
    try { url = new URL(text); } catch { throw new Error(`“${text}” is not an address`); }
    if (!/^https?:$/.test(url.protocol) || !/^[a-z0-9.-]+$/i.test(url.hostname) || url.username || url.password) {
      throw new Error(`“${text}” is not http or https with the name of a host`);
    }
    return url.origin;
  });
}

// Verifier is a frame with the program in it.
class Verifier {
  constructor(addresses) {
    this.calls = new Map();
    this.last = 0;
    const connect = [...new Set(origins(addresses))].join(' ') || "'none'";
    this.frame = element('iframe', '', { sandbox: 'allow-scripts', title: 'verifier', 'aria-hidden': 'true', tabindex: '-1' });
    this.frame.srcdoc = `<!doctype html><meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'sha256-{{frame-hash}}' 'wasm-unsafe-eval'; connect-src ${connect}"><script>${$('frame').textContent}</` + 'script>';
    this.ready = new Promise((resolve, reject) => { this.start = resolve; this.fail = reject; });
    this.ready.catch(() => {});
    this.heard = (event) => this.hear(event);
    addEventListener('message', this.heard);
    this.frame.addEventListener('load', () => this.frame.contentWindow.postMessage({ program }, '*'));
    document.body.append(this.frame);
  }

  hear({ source, data }) {
    if (source !== this.frame.contentWindow) return;
    if (data.ready) this.start(data.forgeries);
    else if (data.dead) this.end(new Error(`the verifier stopped: ${data.dead}`));
    else { this.calls.get(data.id)?.resolve(data.result); this.calls.delete(data.id); }
  }

  async ask(message) {
    await this.ready;
    if (this.ended) throw this.ended;
    const id = ++this.last;
    return new Promise((resolve, reject) => {
      this.calls.set(id, { resolve, reject });
      this.frame.contentWindow.postMessage({ id, ...message }, '*');
    });
  }

  // end is for good: whatever was asked has no answer.
  end(error) {
    this.ended = error;
    this.fail(error);
    for (const call of this.calls.values()) call.reject(error);
    removeEventListener('message', this.heard);
    this.frame.remove();
  }
}

function renew() {
  verifier?.end(new Error('replaced'));
  verifier = new Verifier([...state.allowed.evm, ...state.allowed.tron]);
}

function say(kind, word, last) {
  $('verdict').className = `verdict ${kind}`;
  $('word').textContent = word;
  $('last').textContent = last;
  $('offline').hidden = true;
}

// check asks the verifier about the files as they are now and shows its report, unless
// another check began meanwhile.
async function check() {
  const mine = ++turn;
  $('report').setAttribute('aria-busy', 'true');
  await examine(mine);
  if (mine !== turn) return;
  $('report').setAttribute('aria-busy', 'false');
  $('report').dataset.checks = mine;
}

async function examine(mine) {
  $('found').hidden = true;
  state.shown = null;
  if (!state.bundle || !state.policy) {
    const missing = [!state.bundle && 'a bundle', !state.policy && 'a policy'].filter(Boolean).join(' and ');
    say('waiting', 'Nothing to check yet', `Choose ${missing}.`);
    return;
  }
  say('waiting', 'Checking …', 'Please wait.');
  const { evm, tron, one } = state.allowed;
  const about = { bundle: state.bundle.name, policy: state.policy.name, altered: state.forged?.text, endpoints: [...evm, ...tron], headers: state.headers, date: new Date() };
  let report;
  try {
    if (verifier.ended) renew();
    report = JSON.parse(await verifier.ask({ question: {
      bundle: (state.forged ?? state.bundle).data, policy: state.policy.data, evm, tron, oneEndpoint: one, headers: state.headers,
    } }));
  } catch (error) {
    if (mine !== turn) return;
    // A file that stops the verifier is no proof of anything.
    say('invalid', 'INVALID', `Nothing was verified: ${error.message}`);
    return;
  }
  if (mine !== turn) return;
  show(report, about);
  // Where everything stands in one column the verdict is far below what was pressed.
  if (matchMedia('(max-width: 56rem)').matches) $('verdict-title').scrollIntoView();
}

function show(report, about) {
  const f = report.finding;
  if (!f) {
    say('partly', 'NOT CHECKED', report.error);
    return;
  }
  const hosts = about.endpoints.map((e) => new URL(e).host); // the rest of an address may hold a key
  state.shown = {
    finding: f, last: report.last, bundle: { name: about.bundle, sha256: report.bundle, altered: about.altered },
    policy: { name: about.policy, sha256: report.policy }, endpoints: hosts, headers: about.headers, checked: about.date.toISOString(),
  };
  const kind = f.exit === 0 && f.verdict === 'verified' ? 'verified' : f.exit === 2 ? 'invalid' : 'partly';
  const [word, ...rest] = report.last.split(': ');
  say(kind, word, (kind === 'invalid' ? 'What failed: ' : '') + rest.join(': '));
  $('offline').hidden = about.endpoints.length > 0 || kind === 'invalid';
  $('offline').textContent = 'No public chain was read. Whether one holds this checkpoint is not checked.';
  $('claim-section').hidden = !f.sentence;
  $('sentence').textContent = f.sentence ?? '';
  $('claim').replaceChildren(...(f.claim ?? []).flatMap((line) => {
    const [name, ...rest] = line.split(' ');
    return [element('dt', name), element('dd', rest.join(' '))];
  }));
  $('checks').replaceChildren(...f.checks.map((c) => {
    const li = element('li', '', { class: { ok: 'ok', FAIL: 'fail' }[c.status] ?? 'unchecked' });
    li.append(element('span', c.status, { class: 'status' }), element('span', c.name, { class: 'name' }), element('span', c.text, { class: 'text' }));
    return li;
  }));
  $('notes-section').hidden = !f.notes?.length;
  $('notes').replaceChildren(...(f.notes ?? []).map((n) => element('li', n)));
  const rows = [
    ['exit', `${f.exit} of killick-verify`], ['depth', f.depth],
    ['bundle', about.bundle + (about.altered ? ', altered on this page' : '')], ['SHA-256', report.bundle],
    ['policy', about.policy], ['SHA-256', report.policy],
    ['endpoints', hosts.join(', ') || 'none: no connection was allowed'], ...about.headers.map((h) => ['supplied header', h]),
    ['checked', about.date.toString()],
  ];
  $('about').replaceChildren(...rows.flatMap(([name, value]) => [element('dt', name), element('dd', value)]));
  $('found').hidden = false;
  for (const b of $('forgeries').querySelectorAll('button')) b.closest('li').hidden = b.dataset.chain === 'true' && !hosts.length;
}

// restore drops the forged copy.
function restore() {
  state.forged = null;
  $('altered').hidden = true;
}

async function forge(forgery) {
  try {
    const result = await verifier.ask({ forge: forgery.name, bundle: state.bundle.data });
    if (typeof result === 'string') throw new Error(result);
    state.forged = { text: forgery.text, data: result };
    $('altered-text').textContent = `This page's copy was changed in ${forgery.text}. The file on your disk is as it was.`;
  } catch (error) {
    state.forged = null;
    $('altered-text').textContent = `This bundle cannot be changed so: ${error.message}.`;
  }
  $('altered').hidden = false;
  $('restore').hidden = !state.forged;
  await check();
  $('verdict-title').scrollIntoView();
}

// take reads a chosen file. One that is too large, a folder, or gone meanwhile still
// replaces the one before, of which no verdict may stay.
async function take(kind, file) {
  let data, text = `${file.name} is larger than ${maxFile} bytes`;
  try {
    if (file.size <= maxFile) {
      data = new Uint8Array(await file.arrayBuffer());
      text = `${file.name}, ${data.length} bytes`;
    }
  } catch (error) {
    text = `${file.name} cannot be read: ${error.message}`;
  }
  state[kind] = data ? { name: file.name, data } : null;
  $(`${kind}-name`).textContent = text;
  if (kind === 'bundle') restore();
  await check();
}

// drop sorts dropped files by how they begin. A policy that is built in is not replaced so:
// what comes with a bundle must not say whom to trust.
async function drop(files) {
  for (const file of files) {
    const start = await file.slice(0, 64).text().catch(() => ''); // why, take says
    await take(start.trimStart().startsWith('{') && !$('pinned').textContent ? 'policy' : 'bundle', file);
  }
}

function lock() {
  const all = [...state.allowed.evm, ...state.allowed.tron];
  $('lock').className = all.length ? 'lock open' : 'lock';
  $('lock').textContent = all.length
    ? `Connections are allowed to ${[...new Set(origins(all))].join(', ')}, and to nothing else.`
    : 'No connection is allowed: the browser blocks every one. Chains are then not checked.';
  $('forbid').hidden = !all.length;
}

const lines = (id) => $(id).value.split('\n').map((l) => l.trim()).filter(Boolean);

// allow makes a frame that may reach the endpoints as they stand in the form.
async function allow(event) {
  event.preventDefault();
  const wanted = { evm: lines('evm'), tron: lines('tron'), one: $('one').checked };
  $('endpoints-error').textContent = '';
  try {
    origins([...wanted.evm, ...wanted.tron]);
    if (!wanted.evm.length && !wanted.tron.length) throw new Error('no address is given');
  } catch (error) {
    $('endpoints-error').textContent = `Nothing was allowed: ${error.message}.`;
    return;
  }
  state.headers = [];
  state.allowed = wanted;
  await changed();
}

async function changed() {
  renew();
  lock();
  await check();
}

async function forbid() {
  state.allowed = { evm: [], tron: [], one: false };
  $('allow').focus(); // the button that had it goes away
  await changed();
}

function save() {
  const url = URL.createObjectURL(new Blob([JSON.stringify(state.shown, null, 2) + '\n'], { type: 'application/json' }));
  element('a', '', { href: url, download: `${state.shown.bundle.name}.report.json` }).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

async function begin() {
  for (const kind of ['bundle', 'policy']) {
    $(kind).addEventListener('change', ({ target }) => {
      const [file] = target.files;
      target.value = ''; // or the same file, changed meanwhile, could not be chosen again
      if (file) take(kind, file);
    });
  }
  addEventListener('dragover', (e) => { e.preventDefault(); document.body.classList.add('over'); });
  addEventListener('dragleave', (e) => { if (!e.relatedTarget) document.body.classList.remove('over'); });
  addEventListener('drop', (e) => { e.preventDefault(); document.body.classList.remove('over'); drop([...e.dataTransfer.files]); });
  $('inputs').addEventListener('submit', allow);
  $('forbid').addEventListener('click', forbid);
  $('compare').addEventListener('click', async () => {
    state.allowed = { evm: [], tron: [], one: false };
    state.headers = lines('headers');
    await changed();
  });
  $('restore').addEventListener('click', async () => { restore(); $('print').focus(); await check(); });
  $('print').addEventListener('click', () => print());
  $('save').addEventListener('click', save);
  lock();
  try {
    program = await new Response(new Blob([embedded('program')]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer();
    renew();
    const forgeries = await verifier.ready;
    $('forgeries').replaceChildren(...forgeries.map((forgery) => {
      const b = element('button', '', { type: 'button', 'data-chain': forgery.chain });
      b.append(element('strong', `Change the ${forgery.name}`), element('span', `${forgery.text}; found by “${forgery.fails}”`));
      b.addEventListener('click', () => forge(forgery));
      const li = element('li', '');
      li.append(b);
      return li;
    }));
    if ($('pinned').textContent) {
      state.policy = { name: $('pinned').dataset.name, data: embedded('pinned') };
      $('policy-name').textContent = `${state.policy.name}, built into this page`;
    }
    await check();
  } catch (error) {
    say('partly', 'NOT CHECKED', `This browser cannot run the verifier: ${error.message}. Use a current one, or killick-verify.`);
  }
}

begin();
