import { ask, count, el, plural } from './dom.js';

const $ = (id) => document.getElementById(id);
const colours = { created: 'info', running: 'info', paused: 'warn', finished: 'good', failed: 'bad', cancelled: '' };
const over = (run) => ['finished', 'failed', 'cancelled'].includes(run.state);
const shown = new Map(); // run id -> what its card was made of

function ago(time) {
  const seconds = Math.max(0, (Date.now() - new Date(time)) / 1000);
  for (const [size, unit] of [[86400, 'day'], [3600, 'hour'], [60, 'minute']]) {
    if (seconds >= size) return `${plural(Math.floor(seconds / size), unit)} ago`;
  }
  return 'just now';
}

const duration = (ms) => (ms < 60000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.floor(ms / 60000)} min ${Math.round((ms % 60000) / 1000)} s`);

// done is the share of the run that is played.
function done(run) {
  if (run.state === 'finished') return 1;
  const open = run.expected > 0 ? run.answered / run.expected : 0;
  return Math.min(1, Math.max(0, run.round - 1 + open) / run.rounds);
}

function stateLine(run) {
  if (run.state === 'created') return 'Drawing the population, waiting for agent hosts';
  if (run.round === 0) return over(run) ? 'Ended before its first round' : 'Waiting for its first round';
  const line = `Round ${count(run.round)} of ${run.state === 'finished' ? count(run.rounds) : `at most ${count(run.rounds)}`}`;
  if (over(run)) return line;
  if (run.waiting) return `${line} · goes on by itself when a model server is back`;
  return `${line} · ${count(run.answered)} of ${plural(run.expected, 'answer')}`;
}

function card(run) {
  const base = `/v1/runs/${run.id}`;
  const order = (verb, label) => el('button', {
    type: 'button',
    onclick: async (event) => {
      if (verb === 'cancel' && !confirm(`Cancel ${run.id}? It cannot be resumed.`)) return;
      event.currentTarget.disabled = true;
      try {
        await ask(`${base}/${verb}?reason=${encodeURIComponent('asked for on the page')}`, { method: 'POST' });
      } catch (error) {
        alert(error.message);
      }
      refresh();
    },
  }, label);
  const fill = el('i');
  fill.style.width = `${(100 * done(run)).toFixed(1)}%`;
  const link = (path, label, attributes = {}) => el('a', { href: base + path, ...attributes }, label);
  const took = run.ended ? `took ${duration(new Date(run.ended) - new Date(run.created))}` : '';
  return el('li', { class: 'card' },
    el('div', { class: 'run-title' },
      el('h2', {}, run.scenario),
      el('span', { class: `badge ${colours[run.state] ?? ''}` }, run.waiting ? 'waiting' : run.state),
      el('div', { class: 'actions' },
        !over(run) && run.state === 'paused' && order('resume', run.waiting ? 'Try now' : 'Resume'),
        !over(run) && (run.state !== 'paused' || run.waiting) && order('pause', 'Pause'),
        !over(run) && order('cancel', 'Cancel'))),
    el('p', { class: 'run-facts muted small' },
      [el('code', {}, run.id), plural(run.agents, 'agent'), `seed ${run.seed}`, ago(run.created), took]
        .filter(Boolean).flatMap((fact, i) => (i ? [' · ', fact] : [fact]))),
    el('div', { class: `bar ${colours[run.state] ?? ''}` }, fill),
    el('p', { class: 'run-state small' }, el('span', {}, stateLine(run)), run.reason && el('span', { class: 'muted' }, run.reason)),
    el('div', { class: 'links' },
      link('/report', 'Report', { target: '_blank' }), link('/results?format=csv', 'Results (CSV)'), link('/results', 'Results (JSONL)'),
      link('/codebook', 'Codebook', { target: '_blank' }), link('/summary', 'Summary', { target: '_blank' }),
      link('/scenario', 'Scenario', { target: '_blank' }), link('/events', 'Events', { target: '_blank' }),
      run.result_hash && el('span', { class: 'hash', title: `Result hash ${run.result_hash}` }, el('code', {}, run.result_hash.slice(0, 12)))));
}

function showRuns(runs) {
  const list = $('runs');
  const keep = new Set(runs.map((run) => run.id));
  for (const [id, { node }] of shown) {
    if (!keep.has(id)) {
      node.remove();
      shown.delete(id);
    }
  }
  runs.forEach((run, i) => {
    const facts = JSON.stringify(run) + ago(run.created);
    const old = shown.get(run.id);
    if (old?.facts !== facts) {
      const node = card(run);
      old?.node.replaceWith(node);
      shown.set(run.id, { facts, node });
    }
    const { node } = shown.get(run.id);
    if (list.children[i] !== node) list.insertBefore(node, list.children[i] ?? null);
  });
  $('none').hidden = runs.length > 0;
  const going = runs.filter((run) => !over(run)).length;
  $('total').textContent = runs.length ? `${plural(runs.length, 'run')}, ${going} under way` : '';
  return going;
}

function showHosts(hosts) {
  $('hosts').replaceChildren(...hosts.map((host) => el('li', {},
    el('span', { class: 'dot good' }), el('strong', {}, host.id), el('span', { class: 'small' }, plural(host.agents, 'agent')),
    el('span', { class: 'wide muted small' },
      `${host.address}, process ${host.pid} · ${count(host.in_flight)} waiting · ${count(Math.round(host.memory_bytes / 2 ** 20))} MiB`))));
  if (!hosts.length) $('hosts').append(el('li', {}, el('span', { class: 'dot bad' }), el('span', { class: 'muted small wide' }, 'None is running; runs wait for one.')));
}

let timer;
async function refresh() {
  clearTimeout(timer);
  let pause = 3000;
  try {
    const [runs, hosts] = await Promise.all([ask('/v1/runs'), ask('/v1/hosts')]);
    showHosts(hosts);
    if (showRuns(runs) > 0) pause = 500;
    $('pulse').className = 'dot good';
    $('status').textContent = 'live';
  } catch (error) {
    $('pulse').className = 'dot bad';
    $('status').textContent = error.problem ? error.message : 'the coordinator does not answer';
  }
  if (!document.hidden) timer = setTimeout(refresh, pause);
}
document.addEventListener('visibilitychange', () => document.hidden || refresh());

// goTo puts the cursor on a line of the scenario.
function goTo(line, column) {
  const box = $('source');
  const before = box.value.split('\n').slice(0, line - 1).reduce((n, text) => n + text.length + 1, 0);
  box.focus();
  box.setSelectionRange(before + column - 1, before + box.value.slice(before).split('\n')[0].length);
}

function showFaults(error) {
  const faults = error?.problem?.errors ?? [];
  $('faults').replaceChildren(...(error ? [el('p', { class: 'notice' }, error.message)] : []), ...faults.map((fault) => {
    const at = fault.line ? el('button', { type: 'button', onclick: () => goTo(fault.line, fault.column) }, `line ${fault.line}, column ${fault.column}`)
      : el('strong', {}, fault.location.replace('query.', ''));
    const pad = (fault.source_line ?? '').slice(0, fault.column - 1).replace(/[^\t]/g, ' ');
    return el('div', { class: 'notice' }, at, `: ${fault.detail}`,
      fault.suggestion && `. Did you mean ${fault.suggestion}?`,
      fault.source_line && el('pre', {}, `${fault.source_line}\n${pad}^`));
  }));
}

const load = async (file) => {
  $('source').value = await file.text();
  $('said').textContent = file.name;
  showFaults();
};
$('example').addEventListener('click', async () => {
  $('source').value = await (await fetch('/web/starter.yaml')).text();
  $('said').textContent = '';
  showFaults();
});
$('pick').addEventListener('click', () => $('file').click());
$('file').addEventListener('change', () => $('file').files[0] && load($('file').files[0]));

const box = $('start');
for (const kind of ['dragenter', 'dragover', 'dragleave', 'drop']) {
  box.addEventListener(kind, (event) => {
    if (!event.dataTransfer.types.includes('Files')) return;
    event.preventDefault();
    box.classList.toggle('over', kind === 'dragenter' || kind === 'dragover');
    if (kind === 'drop' && event.dataTransfer.files[0]) load(event.dataTransfer.files[0]);
  });
}
box.addEventListener('submit', async (event) => {
  event.preventDefault();
  const query = new URLSearchParams(['agents', 'rounds', 'seed'].map((name) => [name, $(name).value.trim()]).filter(([, value]) => value));
  $('go').disabled = true;
  try {
    const run = await ask(`/v1/runs?${query}`, { method: 'POST', headers: { 'Content-Type': 'application/yaml' }, body: $('source').value });
    showFaults();
    $('said').textContent = `Started ${run.id}`;
    refresh();
  } catch (error) {
    $('said').textContent = '';
    showFaults(error);
  } finally {
    $('go').disabled = false;
  }
});

refresh();
