// Watches viewers in headless Chromium: the player page with hls.js, one page for each playback, until stdin ends.
//
//   node watch.mjs BASE_URL PLAYBACK...
//
// Prints {"ready":true} once every page plays, and at the end {"viewers":[...]}, with what each page saw. What is
// counted:
//
//   playlists, segments  answers of the edge that are 200; segments also by the key that had signed last
//   forbidden            answers of the edge that are 403, with the reason
//   failed               its other answers from 400 on
//   refused              signs that were refused, by reason
//   stalls               spans of more than MAX_STALL seconds (default 6, what a player's buffer lasts) in which
//                        the position stood still and no media was buffered ahead of it: want of data.
//   longest_dry          the longest such span, in seconds, whatever its length
//   longest_slow         the longest span in which the position stood still though media was there: want of CPU
//   shown                seconds of media that were shown, by the key that had signed last
//
// The page's own clock measures the spans, and a span in which that clock did not run either is nobody's: a
// machine too busy to decode, or to run the page at all, does not look like a stream that broke.
//
// At the end a further viewer of each playback comes, without a cookie: joined says what it was shown, with which
// key.
import process from 'node:process';
import { launch, pageURL } from './chromium.mjs';

const [base, ...playbacks] = process.argv.slice(2);
if (!base || playbacks.length === 0) {
  console.error('usage: node watch.mjs BASE_URL PLAYBACK...');
  process.exit(2);
}
const maxStall = Number(process.env.MAX_STALL ?? 6);
const patience = 60_000; // ms for a page to begin
const joinSeconds = 3;

// measure runs in the page: it looks at the video four times a second.
function measure(maxStallMs) {
  const seen = { dry: 0, slow: 0, longestDry: 0, longestSlow: 0, stalls: 0, shown: {} };
  window.seen = seen;
  let position;
  let at = performance.now();
  const ahead = (video) => {
    let end = video.currentTime;
    for (let i = 0; i < video.buffered.length; i++) {
      if (video.buffered.start(i) <= end + 0.5 && video.buffered.end(i) > end) end = video.buffered.end(i);
    }
    return end - video.currentTime;
  };
  setInterval(() => {
    const video = document.querySelector('video');
    const now = performance.now();
    const span = now - at;
    at = now;
    if (!video || (position === undefined && video.currentTime === 0)) return;
    const moved = video.currentTime - (position ?? video.currentTime);
    position = video.currentTime;
    if (moved !== 0) {
      const { key } = document.body.dataset;
      seen.shown[key] = (seen.shown[key] ?? 0) + Math.max(0, Math.min(moved, span / 1000)); // a jump is not shown
      seen.dry = 0;
      seen.slow = 0;
      return;
    }
    if (span > 1000) return;
    const want = ahead(video) > 0.5 ? 'slow' : 'dry';
    const before = seen[want];
    seen[want] += span;
    if (want === 'dry' && before <= maxStallMs && seen.dry > maxStallMs) seen.stalls++;
    seen.longestDry = Math.max(seen.longestDry, seen.dry);
    seen.longestSlow = Math.max(seen.longestSlow, seen.slow);
  }, 250);
}

const count = (counts, name) => { counts[name] = (counts[name] ?? 0) + 1; };

class Viewer {
  constructor(playback) {
    this.playback = playback;
    this.keys = [];
    this.inOrder = Promise.resolve();
    this.report = { playback, keys: this.keys, playlists: 0, segments: {}, forbidden: {}, failed: {}, refused: {} };
  }

  async open(browser) {
    this.context = await browser.newContext();
    this.page = await this.context.newPage();
    await this.page.addInitScript(measure, maxStall * 1000);
    this.page.on('response', (r) => {
      this.inOrder = this.inOrder.then(() => this.heard(r)).catch(() => {}); // the page may close while a body is read
    });
    await this.page.goto(pageURL(base, this.playback, 'alice'));
    return this;
  }

  async heard(response) {
    const url = new URL(response.url());
    const status = response.status();
    if (url.origin === new URL(base).origin) {
      if (!url.pathname.endsWith(':sign')) return;
      const body = await response.json();
      if (status !== 200) count(this.report.refused, body.details?.find((d) => d.reason)?.reason ?? `HTTP ${status}`);
      else if (this.keys.at(-1) !== body.credential.key) this.keys.push(body.credential.key);
      return;
    }
    if (status === 403) count(this.report.forbidden, response.headers()['x-tokensvc-reason'] ?? 'without a reason');
    else if (status >= 400) count(this.report.failed, `${status} ${url.pathname}`);
    else if (url.pathname.endsWith('.m3u8')) this.report.playlists++;
    else count(this.report.segments, this.keys.at(-1));
  }

  // until waits until the page has shown some seconds of media, or shows an error.
  async until(seconds) {
    await this.page.waitForFunction((want) => {
      const shown = Object.values(window.seen?.shown ?? {}).reduce((a, b) => a + b, 0);
      return shown > want || ['error', 'ended'].includes(document.body.dataset.state);
    }, seconds, { timeout: patience, polling: 250 });
    return this;
  }

  async close() {
    const { seen, state, message } = await this.page.evaluate(() => ({
      seen: window.seen, state: document.body.dataset.state, message: document.getElementById('message').textContent,
    }));
    await this.context.close();
    await this.inOrder;
    return {
      ...this.report, state, message, stalls: seen.stalls, shown: seen.shown,
      longest_dry: seen.longestDry / 1000, longest_slow: seen.longestSlow / 1000,
    };
  }
}

async function joined(browser, playback) {
  try {
    const viewer = await new Viewer(playback).open(browser);
    return await (await viewer.until(joinSeconds)).close();
  } catch (e) {
    return { playback, state: 'error', message: e.message.split('\n')[0] };
  }
}

const browser = await launch();
try {
  const viewers = await Promise.all(playbacks.map((playback) => new Viewer(playback).open(browser)));
  await Promise.all(viewers.map((viewer) => viewer.until(1)));
  console.log(JSON.stringify({ ready: true }));
  await new Promise((resolve) => { process.stdin.on('end', resolve).resume(); });
  const reports = await Promise.all(viewers.map((viewer) => viewer.close()));
  await Promise.all(reports.map(async (report) => { report.joined = await joined(browser, report.playback); }));
  console.log(JSON.stringify({ viewers: reports }));
} finally {
  await browser.close();
}
