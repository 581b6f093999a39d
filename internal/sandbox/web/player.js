// The player page: asks the API for a credential, plays its URL and keeps the credential fresh.
//
// Query: playback (required), viewer (alice when absent), player=hls.js to play with hls.js also where the browser could itself.
// The body's data attributes say how it goes: state (idle, signing, loading, playing, waiting, ended, error),
// player, key, refreshes, refused (signs that were), and with an error its reason.

const query = new URLSearchParams(location.search);
const playback = query.get('playback') ?? '';
const viewer = query.get('viewer') || 'alice';
const deadAhead = 5000; // a token with less ms to live may be dead on arrival: browsers queue requests
const video = document.querySelector('video');
const data = document.body.dataset;

let credential; // the newest one
let clockOffset = 0; // the server's clock less ours, in ms
let refreshAt = 0; // on the server's clock, in ms
const signedBases = new Set(); // what the URLs that were signed have in front of their "?"
const waiting = new Map(); // what to do with the next credential, by whoever waits for it

const show = (id, text) => { document.getElementById(id).textContent = text; };
const serverNow = () => Date.now() + clockOffset;
const baseOf = (url) => url.split('?', 1)[0];
const folderOf = (url) => { const base = baseOf(url); return base.slice(0, base.lastIndexOf('/') + 1); };

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
  await openSession(body.credential.url);
  credential = body.credential;
  clockOffset = Date.parse(credential.server_time) - Date.now();
  refreshAt = Date.parse(credential.refresh_after);
  signedBases.add(baseOf(credential.url));
  data.key = String(credential.key ?? '');
  show('key', data.key);
  show('url', credential.url);
  const goOn = [...waiting.values()];
  waiting.clear();
  for (const go of goOn) go();
}

// openSession asks for a signed URL at another address than the present one, so that a cookie of that address
// is there before the player goes over to it. The player stays where it is if the edge refuses.
async function openSession(url) {
  if (!credential || folderOf(url) === folderOf(credential.url)) return;
  const refusal = await reasonFromEdge(url);
  if (refusal) throw refusal;
}

// keepFresh signs again at refresh_after, as long as something plays. A sign that fails is tried again each
// second: while a key is cut, signing pauses, and players go on with their buffers and cookies.
async function keepFresh() {
  if (data.state === 'ended' || data.state === 'error' || serverNow() < refreshAt) return;
  refreshAt = Infinity;
  try {
    await sign();
    count('refreshes');
    show('message', '');
  } catch (e) {
    refreshAt = serverNow() + 1000;
    count('refused');
    show('message', `${e.reason ?? 'UNAVAILABLE'}: ${e.message}`);
  }
}

function count(what) { data[what] = String(Number(data[what] ?? 0) + 1); }

// withFreshToken swaps the token parameters in url for those of the newest credential. It works on the text:
// URLSearchParams would percent-encode the token, and edges read it as it stands. URLs without a token
// (segments that a cookie opens) keep their query. The key of a pair moves to another address: a URL that was
// signed gives way to the newest as a whole, and one below it moves along.
function withFreshToken(url) {
  const [old, oldQuery] = url.split('?');
  if (signedBases.has(old)) return credential.url;
  const base = atPresentAddress(old);
  if (!oldQuery) return base;
  if (new URL(base).origin !== new URL(credential.url).origin) return url;
  const name = (pair) => pair.split('=', 1)[0];
  const fresh = new Map((credential.url.split('?')[1] ?? '').split('&').map((pair) => [name(pair), pair]));
  return `${base}?${oldQuery.split('&').map((pair) => fresh.get(name(pair)) ?? pair).join('&')}`;
}

function atPresentAddress(base) {
  const present = folderOf(credential.url);
  if (base.startsWith(present)) return base;
  const former = [...signedBases].map(folderOf).find((folder) => base.startsWith(folder));
  return former ? present + base.slice(former.length) : base;
}

// isDead reports whether the edge would refuse a URL for its token's age.
function isDead(url) {
  return url.includes('?') && serverNow() + deadAhead > Date.parse(credential.expires_at);
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
        if (isDead(context.url)) {
          waiting.set(this, () => this.load(context, config, callbacks));
          return;
        }
        context.url = withFreshToken(context.url);
        super.load(context, config, callbacks);
      }

      abort() {
        waiting.delete(this);
        super.abort();
      }

      destroy() {
        waiting.delete(this);
        super.destroy();
      }
    },
  });
  let plays = false; // whether the edge has let a segment through since the player last signed for want of one
  hls.on(Hls.Events.FRAG_LOADED, () => { plays = true; });
  hls.on(Hls.Events.ERROR, async (_, e) => {
    if (!e.fatal || waiting.has(hls)) return;
    if (plays && e.response?.code === 403) {
      // The session has ended, with the secret that opened it: a fresh credential opens another.
      plays = false;
      waiting.set(hls, () => hls.loadSource(credential.url));
      refreshAt = 0;
      return;
    }
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
    show('refresh', `${Number.isFinite(refreshAt) ? left(refreshAt) : 'now'}, ${data.refreshes ?? 0} so far, ${data.refused ?? 0} refused`);
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
