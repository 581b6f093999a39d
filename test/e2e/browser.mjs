// The browser test: the player page in headless Chromium, with hls.js, against a running service and edge.
//
//   node browser.mjs BASE_URL PLAYBACK...        for example http://127.0.0.1:8080 big-event
//
// For each playback: it plays more than WATCH seconds of video without a refused request and without a stall of
// more than MAX_STALL seconds; a copy of the URL with one character changed is refused by the
// edge and ends on the page with the reason. Prints one line for each check. Exit code 0: all hold, 1: one
// does not, 2: usage.
//
// Environment: CHROMIUM (default /usr/bin/chromium), WATCH (default 3), MAX_STALL (default 4), and
// MIN_REFRESHES (default 0), the number of times that the page must have signed again by then.
import process from 'node:process';
import { launch, pageURL } from './chromium.mjs';

const [base, ...playbacks] = process.argv.slice(2);
if (!base || playbacks.length === 0) {
  console.error('usage: node browser.mjs BASE_URL PLAYBACK...');
  process.exit(2);
}
const number = (name, otherwise) => Number(process.env[name] ?? otherwise);
const watchSeconds = number('WATCH', 3);
const maxStall = number('MAX_STALL', 4);
const minRefreshes = number('MIN_REFRESHES', 0);
const viewer = 'alice';
const timeout = (watchSeconds + 30) * 1000;

let failures = 0;

async function check(name, run) {
  try {
    const detail = await run();
    console.log(`ok    ${name}${detail ? `: ${detail}` : ''}`);
  } catch (e) {
    failures++;
    console.log(`FAIL  ${name}: ${e.message.split('\n')[0]}`);
  }
}

function expect(condition, message) {
  if (!condition) throw new Error(message);
}

// withPage opens a page with a browser state of its own: no cookies of another check.
async function withPage(browser, run) {
  const context = await browser.newContext();
  try {
    const page = await context.newPage();
    const refused = [];
    const complaints = [];
    page.on('response', (r) => { if (r.status() >= 400) refused.push(`${r.status()} ${new URL(r.url()).pathname}`); });
    page.on('console', (m) => { if (m.type() === 'error') complaints.push(m.text()); });
    page.on('pageerror', (e) => complaints.push(e.message));
    await run(page, { refused, complaints });
  } finally {
    await context.close();
  }
}

const onPage = (page) => page.evaluate(() => ({
  ...document.body.dataset,
  message: document.getElementById('message').textContent,
  time: document.querySelector('video').currentTime,
  frames: document.querySelector('video').getVideoPlaybackQuality().totalVideoFrames,
}));

// watch follows the position until watchSeconds of video have been shown, or the video has ended. A jump, such
// as that to the edge of a live stream, counts for no more than the time it took.
async function watch(page) {
  await page.waitForFunction(() => ['playing', 'error'].includes(document.body.dataset.state), null, { timeout });
  let last = { time: Infinity };
  let sampledAt = Date.now();
  let movedAt = sampledAt;
  let shown = 0;
  let longest = 0;
  for (;;) {
    const now = await onPage(page);
    const clock = Date.now();
    expect(now.state !== 'error', `the page says ${now.message}`);
    if (now.time !== last.time) {
      shown += Math.max(0, Math.min(now.time - last.time, (clock - sampledAt) / 1000));
      movedAt = clock;
    }
    longest = Math.max(longest, (clock - movedAt) / 1000);
    expect(longest <= maxStall, `stalled for ${longest.toFixed(1)} s at ${now.time} s`);
    if (shown > watchSeconds || now.state === 'ended') return { ...now, shown, longest };
    last = now;
    sampledAt = clock;
    await page.waitForTimeout(100);
  }
}

async function plays(browser, playback) {
  let detail;
  await withPage(browser, async (page, seen) => {
    await page.goto(pageURL(base, playback, viewer));
    const end = await watch(page);
    expect(end.player === 'hls.js', `the player is ${end.player}`);
    expect(end.shown > 3 || end.shown > watchSeconds, `showed ${end.shown} s only`);
    expect(end.frames > 0, 'no frame was decoded');
    expect(seen.refused.length === 0, `refused requests: ${seen.refused.join(', ')}`);
    expect(seen.complaints.length === 0, `the browser complains: ${seen.complaints.join(' | ')}`);
    const refreshes = Number(end.refreshes ?? 0);
    expect(refreshes >= minRefreshes, `${refreshes} refreshes, want ${minRefreshes}`);
    detail = `${end.shown.toFixed(1)} s, ${end.frames} frames, longest stall ${end.longest.toFixed(1)} s, ${refreshes} refreshes, key ${end.key}`;
  });
  return detail;
}

// tampered changes one character near the end of the URL: for each scheme that is in the MAC or signature.
function tampered(url) {
  const at = url.length - 5;
  return url.slice(0, at) + (url[at] === '0' ? '1' : '0') + url.slice(at + 1);
}

async function signed(playback) {
  const response = await fetch(new URL(`/v1/playbacks/${encodeURIComponent(playback)}:sign`, base), {
    method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify({ viewer }),
  });
  expect(response.ok, `sign: HTTP ${response.status} ${await response.clone().text()}`);
  return (await response.json()).credential;
}

async function edgeRefuses(playback) {
  const { url } = await signed(playback);
  const good = await fetch(url);
  const bad = await fetch(tampered(url));
  await Promise.all([good.arrayBuffer(), bad.arrayBuffer()]);
  expect(good.status === 200 && bad.status === 403, `signed ${good.status}, changed ${bad.status}; want 200 and 403`);
  return `signed 200, changed 403 ${bad.headers.get('x-tokensvc-reason') ?? ''}`;
}

async function pageRefuses(browser, playback) {
  let detail;
  await withPage(browser, async (page) => {
    await page.route('**/v1/playbacks/*:sign', async (route) => {
      const response = await route.fetch();
      const body = await response.json();
      if (body.credential) body.credential.url = tampered(body.credential.url);
      await route.fulfill({ response, json: body });
    });
    await page.goto(pageURL(base, playback, viewer));
    await page.waitForFunction(() => ['playing', 'error'].includes(document.body.dataset.state), null, { timeout });
    const end = await onPage(page);
    expect(end.state === 'error' && end.time === 0, `state ${end.state} at ${end.time} s`);
    expect(['BAD_SIGNATURE', 'MALFORMED'].includes(end.reason), `the reason is ${end.reason}`);
    detail = end.reason;
  });
  return detail;
}

const browser = await launch();
try {
  for (const playback of playbacks) {
    await check(`${playback} plays`, () => plays(browser, playback));
    await check(`${playback} changed: the edge refuses`, () => edgeRefuses(playback));
    await check(`${playback} changed: the page says why`, () => pageRefuses(browser, playback));
  }
} finally {
  await browser.close();
}
process.exitCode = failures === 0 ? 0 : 1;
