// What runs in the frame of the verifier, behind Go's wasm_exec.js. The frame has no
// origin, and its Content-Security-Policy allows connections to the endpoints that the
// user allowed, or to nothing.
'use strict';

const tell = (message) => parent.postMessage(message, '*');

// post is the transport of the Go side: the reply's bytes, or a text that says why there
// are none. It never rejects.
async function post(url, body, limit, milliseconds) {
  let reply;
  const signal = AbortSignal.timeout(milliseconds);
  try {
    reply = await fetch(url, {
      method: 'POST', body, signal, headers: { 'Content-Type': 'application/json' },
      redirect: 'error', credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer',
    });
    if (reply.status !== 200) return `HTTP status ${reply.status}`;
    const out = new Uint8Array(limit);
    let length = 0;
    for (const reader = reply.body.getReader(); length < limit;) {
      const { done, value } = await reader.read();
      if (done) break;
      out.set(value.subarray(0, limit - length), length);
      length = Math.min(limit, length + value.length);
      if (length === limit) reader.cancel();
    }
    return out.slice(0, length);
  } catch (error) {
    if (signal.aborted) return 'no answer in time';
    return reply ? `the answer broke off: ${error.message}`
      : 'no answer that a page may read: the endpoint is unreachable, redirects, or does not allow pages (CORS)';
  }
}

globalThis.killickReady = () => tell({ ready: true, forgeries: JSON.parse(killickForgeries) });

addEventListener('message', async ({ source, data }) => {
  if (source !== parent) return;
  if (data.program) {
    const go = new Go();
    try {
      const { instance } = await WebAssembly.instantiate(data.program, go.importObject);
      await go.run(instance);
      tell({ dead: 'it ended' });
    } catch (error) {
      tell({ dead: String(error) });
    }
    return;
  }
  // A panic that Go does not recover from throws here, or ends the program above.
  try {
    if (data.forge) tell({ id: data.id, result: killickTamper(data.forge, data.bundle) });
    else tell({ id: data.id, result: await killickVerify(data.question, post) });
  } catch (error) {
    tell({ dead: String(error) });
  }
});
