// A headless Chromium, from CHROMIUM (default /usr/bin/chromium), and the page in it.
import process from 'node:process';
import { chromium } from 'playwright-core';

export const launch = () => chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  headless: true,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync'],
});

// pageURL is the page that plays a playback for a viewer.
export function pageURL(base, playback, viewer) {
  const url = new URL('/play', base);
  url.search = new URLSearchParams({ playback, viewer, player: 'hls.js' });
  return url.href;
}
