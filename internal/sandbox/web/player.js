// The player page: asks the API for a credential, plays its URL and keeps the credential fresh.
//
// Query: playback (required), viewer (alice when absent), player=hls.js to play with hls.js also where the browser could itself.
// The body's data attributes say how it goes: state (idle, signing, loading, playing, waiting, ended, error),
// player, key, refreshes, and with an error its reason.

const query = new URLSearchParams(location.search);
const playback = query.get('playback') ?? '';
const viewer = query.get('viewer') || 'alice';
const video = document.querySelector('video');
const data = document.body.dataset;

let credential; // the newest one
let clockOffset = 0; // the server's clock less ours, in ms
let refreshAt = 0; // on the server's clock, in ms
const signedBases = new Set(); // what the URLs that were signed have in front of their "?"

const show = (id, text) => { document.getElementById(id).textContent = text; };
const serverNow = () => Date.now() + clockOffset;

function setState(state) {
  data.state = state;
  show('state', state);
}

function showPlayer(player) {
  data.player = player;
  show('player', player);
}

function fail(reason, message) {
  data.reason = reason;
  show('message', `${reason}: ${message}`);
  setState('error');
}

// Refusal is an answer that says no, with a stable reason.
class Refusal extends Error {
  constructor(reason, message) {
    super(message);
    this.reason = reason;
  }
}

async function sign() {
  const response = await fetch(`/v1/playbacks/${encodeURIComponent(playback)}:sign`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ viewer }),
  });
  const body = await response.json().catch(() => ({}));
  if (!response.ok) {
    const info = body.details?.find((d) => d.reason);
    throw new Refusal(info?.reason ?? `HTTP ${response.status}`, body.message ?? 'the service did not sign');
  }
  credential = body.credential;
  clockOffset = Date.parse(credential.server_time) - Date.now();
  refreshAt = Date.parse(credential.refresh_after);
  signedBases.add(credential.url.split('?', 1)[0]);
  data.key = String(credential.key ?? '');
  show('key', data.key);
  show('url', credential.url);
}

// keepFresh signs again at refresh_after, as long as something plays. A sign that fails is tried again each
// second until the credential expires; the old one plays on meanwhile.
async function keepFresh() {
  if (data.state === 'ended' || data.state === 'error' || serverNow() < refreshAt) return;
  refreshAt = Infinity;
  try {
    await sign();
    data.refreshes = String(Number(data.refreshes ?? 0) + 1);
  } catch (e) {
    refreshAt = serverNow() + 1000;
    if (serverNow() > Date.parse(credential.expires_at)) fail(e.reason ?? 'UNAVAILABLE', `could not refresh: ${e.message}`);
  }
}

// withFreshToken swaps the token parameters in url for those of the newest credential. It works on the text:
// URLSearchParams would percent-encode the token, and edges read it as it stands. URLs without a token
// (segments that a cookie opens) stay as they are. A URL that was signed gives way to the newest as a whole: the
// key of a pair moves to another address.
function withFreshToken(url) {
  const [base, oldQuery] = url.split('?');
  if (signedBases.has(base)) return credential.url;
  if (!oldQuery || new URL(base).origin !== new URL(credential.url).origin) return url;
  const name = (pair) => pair.split('=', 1)[0];
  const fresh = new Map((credential.url.split('?')[1] ?? '').split('&').map((pair) => [name(pair), pair]));
  return `${base}?${oldQuery.split('&').map((pair) => fresh.get(name(pair)) ?? pair).join('&')}`;
}

// reasonFromEdge asks the edge once more why it refused; players pass on the status alone.
async function reasonFromEdge(url) {
  try {
    const response = await fetch(url, { credentials: 'include' });
    if (response.ok) return null;
    const text = (await response.text()).trim();
    const reason = response.headers.get('X-Tokensvc-Reason');
    return new Refusal(reason ?? `HTTP ${response.status}`, reason ? text.replace(`${reason}: `, '') : text);
  } catch {
    return new Refusal('UNREACHABLE', 'the edge does not answer, or does not allow this page; open the page at the address that dev prints');
  }
}

async function playWithHls() {
  showPlayer('hls.js');
  let Hls;
  try {
    Hls = (await import('./vendor/hls.light.min.mjs')).default;
  } catch {
    fail('NO_HLS_JS', 'hls.js is not in this build. Run "make web", build tokensvc again and restart it.');
    return;
  }
  const DefaultLoader = Hls.DefaultConfig.loader;
  const hls = new Hls({
    enableWorker: false, // the policy of this page allows no blob workers
    xhrSetup: (xhr) => { xhr.withCredentials = true; },
    loader: class extends DefaultLoader {
      load(context, config, callbacks) {
        context.url = withFreshToken(context.url);
        super.load(context, config, callbacks);
      }
    },
  });
  hls.on(Hls.Events.ERROR, async (_, e) => {
    if (!e.fatal) return;
    hls.destroy();
    const refusal = await reasonFromEdge(withFreshToken(e.context?.url ?? e.frag?.url ?? credential.url));
    fail(refusal?.reason ?? 'PLAYER', refusal?.message ?? e.details);
  });
  hls.loadSource(credential.url);
  hls.attachMedia(video);
}

// playNatively leaves requests to the browser, so that a token in the URL cannot be swapped on the way. When
// playback fails the page goes on with the newest URL, if there is one, and else with hls.js, if the edge has
// nothing against it: the HLS of some browsers is young and gives up on a good live stream.
function playNatively() {
  showPlayer('native');
  let playing = credential.url;
  const onError = async () => {
    if (playing !== credential.url) {
      playing = credential.url;
      video.src = playing;
      return;
    }
    const refusal = await reasonFromEdge(playing);
    if (refusal) {
      fail(refusal.reason, refusal.message);
      return;
    }
    video.removeEventListener('error', onError);
    await playWithHls();
  };
  video.addEventListener('error', onError);
  video.src = playing;
}

function watch() {
  video.addEventListener('playing', () => { setState('playing'); show('message', ''); });
  video.addEventListener('waiting', () => { if (data.state === 'playing') setState('waiting'); });
  video.addEventListener('ended', () => setState('ended'));
  video.addEventListener('timeupdate', () => show('position', `${video.currentTime.toFixed(1)} s`));
  setInterval(() => {
    if (!credential) return;
    const left = (time) => `in ${Math.max(0, Math.round((time - serverNow()) / 1000))} s`;
    show('expires', `${left(Date.parse(credential.expires_at))} (${credential.expires_at})`);
    show('refresh', `${Number.isFinite(refreshAt) ? left(refreshAt) : 'now'}, ${data.refreshes ?? 0} so far`);
    keepFresh();
  }, 250);
}

async function main() {
  const form = document.forms[0];
  for (const name of ['playback', 'viewer', 'player']) form.elements[name].value = query.get(name) ?? (name === 'viewer' ? viewer : '');
  if (!playback) return;
  show('message', '');
  setState('signing');
  try {
    await sign();
  } catch (e) {
    fail(e.reason ?? 'UNAVAILABLE', e.message);
    return;
  }
  watch();
  setState('loading');
  const native = query.get('player') !== 'hls.js' && video.canPlayType('application/vnd.apple.mpegurl') !== '';
  if (native) playNatively(); else await playWithHls();
}

main();
