// The page: what NodeStatus says, drawn, and kept up to date.

import { Feed, History } from './feed.js';
import { GpuCard, idleFor, unhealthy } from './gpu.js';
import { Keyed, make, put, texts } from './parts.js';
import { DASH, bytes, clock, fullName, isNumber, list, percent, words } from './text.js';

const find = (id) => document.getElementById(id);
const history = new History();
let node = null;
let filter = '';

const STATES = {
  live: 'Live',
  asking: 'Asking every second: as many pages are open as may be live',
  away: 'Connection lost. Trying again…',
};
// By the node's own clock, which this machine's need not agree with.
const nodeNow = () => history.end || Date.now() / 1000;
let lost = null; // since when there is no connection

function showState(state) {
  lost = state === 'away' ? lost ?? Date.now() : null;
  find('connection').dataset.state = state;
  document.body.classList.toggle('stale', state === 'away');
  const since = lost === null ? '' : ` What is shown is from ${clock(lost / 1000)}.`;
  put(find('connection-text'), STATES[state] + since);
}

// ---- at a glance ----

const tiles = new Keyed(find('summary'), (tile) => tile.name, (tile) => {
  const element = make('div', 'tile');
  const part = { element, value: make('dd', 'tile-value'), more: make('dd', 'tile-more') };
  element.append(make('dt', '', tile.name), part.value, part.more);
  return part;
}, (part, tile) => {
  put(part.value, tile.value);
  put(part.more, tile.more);
  part.element.classList.toggle('bad', tile.bad === true);
});

function showSummary(devices, pods, now) {
  const sum = (values) => values.filter(isNumber).reduce((a, b) => a + b, 0);
  const mean = (values) => {
    const known = values.filter(isNumber);
    return known.length ? sum(known) / known.length : null;
  };
  const healthy = devices.filter((device) => words(device.health) === 'Healthy').length;
  const bad = devices.filter(unhealthy).length;
  const contended = devices.map((device) => device.contendedPercent);
  const idle = pods.filter((pod) => idleFor(pod, now) !== null).length;
  const free = devices.map((device) => device.replicas?.free).filter(isNumber);
  const names = new Set(pods.map(fullName));
  tiles.show([
    { name: 'GPUs', value: String(devices.length), bad: bad > 0,
      more: bad > 0 ? `${bad} not healthy` : healthy > 0 ? `${healthy} healthy` : '' },
    { name: 'Pods on them', value: String(names.size), more: free.length ? `${sum(free)} shares free` : '' },
    { name: 'Busy', value: percent(mean(devices.map((device) => device.busyPercent))), more: 'of all GPUs, last 10 s' },
    { name: 'Memory', value: bytes(sum(devices.map((device) => device.memoryUsedBytes))),
      more: `of ${bytes(sum(devices.map((device) => device.memoryBytes)))}` },
    { name: 'Contended', value: percent(contended.some(isNumber) ? Math.max(...contended.filter(isNumber)) : null),
      more: 'the most contended GPU, last 10 s' },
    { name: 'Idle', value: String(idle), more: idle === 1 ? 'pod holds a GPU and rests' : 'pods hold a GPU and rest' },
  ]);
}

// ---- walls ----

// Of the pod on the device; undefined where it has none.
let walls = new Map();
const wallKey = (device, pod) => JSON.stringify([words(device), words(pod.namespace), words(pod.pod)]);
const wallOf = (device, pod) => walls.get(wallKey(device.uuid, pod));
const gpuName = (uuid) => {
  const device = list(node.devices).find((one) => words(one.uuid) === words(uuid));
  return `GPU ${words(device?.index) || words(uuid)}`;
};

// ---- what needs attention ----

const attention = texts(find('attention-list'), 'li');

function showAttention(devices) {
  const sentences = list(node.degraded).map(words).filter(Boolean);
  if (node.ready === false) sentences.push('The driver has not been asked yet.');
  if (node.fresh === false) sentences.push('The driver says nothing new: figures are old.');
  for (const device of devices.filter(unhealthy)) {
    const name = `GPU ${words(device.index)}`;
    sentences.push(`${name} is ${words(device.health).toLowerCase()}${device.healthReason ? `: ${words(device.healthReason)}` : ''}`);
  }
  for (const device of devices) {
    for (const pod of list(device.pods)) {
      const name = fullName(pod);
      if (pod.granted === false && node.grants?.known && pod.processes > 0) {
        sentences.push(`${name} uses GPU ${words(device.index)}, which it was not given`);
      }
      if (pod.wouldRefuse > 0 && !wallOf(device, pod)) sentences.push(`${name} has gone over its memory limit ${pod.wouldRefuse} times; nothing is enforced`);
    }
  }
  if (words(node.walls).startsWith('not standing')) sentences.push(`Walls are ${words(node.walls)}.`);
  for (const wall of walls.values()) {
    const name = fullName(wall);
    if (wall.walled === false) sentences.push(`${name} keeps to no wall on ${gpuName(wall.device)}: ${words(wall.why)}`);
    if (wall.ledgerMismatch === true) sentences.push(`${name} has more memory on ${gpuName(wall.device)} than its own counters say`);
  }
  if (words(node.config?.error)) sentences.push(`config: ${words(node.config.error)}`);
  sentences.push(...list(node.config?.warnings).map((warning) => `config: ${words(warning)}`));
  attention.show([...new Set(sentences)]);
  find('attention').hidden = sentences.length === 0;
}

// ---- what waits ----

const waits = texts(find('waiting-list'), 'li');
const WAITS = { time: 'time on', memory: 'memory of', device: '' };

function showWaiting() {
  const sentences = list(node.waiting).map((one) => {
    const what = [WAITS[words(one.for)] ?? words(one.for), `GPU ${words(one.index) || words(one.device)}`];
    return `${fullName(one)} waits for ${what.filter(Boolean).join(' ')}: ${words(one.why)}`;
  });
  if (node.waitingLeftOut > 0) sentences.push(`and ${node.waitingLeftOut} more`);
  waits.show([...new Set(sentences)]);
  find('waiting').hidden = sentences.length === 0;
}

// ---- GPUs ----

const cards = new Keyed(find('gpus'), (device) => words(device.uuid), () => new GpuCard(), (card, device) => {
  const matches = (pod) => `${fullName(pod)} ${words(pod.container)}`.toLowerCase().includes(filter);
  card.change(device, { history, now: nodeNow(), matches, wallOf, grantsKnown: node.grants?.known === true });
});

// ---- config and events ----

function showConfig() {
  const place = find('config');
  const config = node.config;
  const facts = config ? [['Profile', words(config.profile) || 'default'], ['Generation', words(config.generation) || DASH]] : [];
  facts.push(['Walls', words(node.walls) || DASH],
    ['Names of pods', node.pods?.known ? 'known' : 'not known'],
    ['Who was given what', node.grants?.known ? 'known' : 'not known'],
    ['dcgm-exporter’s names', node.dcgmNames === true ? 'served here' : 'not served here']);
  configFacts.show(facts);
  configNote.hidden = Boolean(config);
  if (!place.contains(configNote)) place.append(configNote);
}
const configList = make('dl', 'config-facts');
find('config').append(configList);
const configNote = make('p', 'empty', 'The sharing config of this node is not told to this program.');
const configFacts = new Keyed(configList, ([name]) => name, ([name]) => {
  const element = make('div');
  const value = make('dd');
  element.append(make('dt', '', name), value);
  return { element, value };
}, (part, [, value]) => put(part.value, value));

const events = new Keyed(find('events'), (event) => `${event.time} ${event.reason} ${event.message}`, (event) => {
  const element = make('li', words(event.type) === 'Warning' ? 'warning' : '');
  const count = make('span', 'count');
  element.append(make('time', '', isNumber(event.time) ? clock(event.time) : words(event.time)),
    make('strong', '', words(event.reason)), make('span', '', words(event.message)), count);
  return { element, count };
}, (part, event) => put(part.count, event.count > 1 ? `${event.count}×` : ''));

function showEvents() {
  const told = list(node.events).slice(-20).reverse();
  events.show(told);
  let none = find('no-events');
  if (told.length === 0 && !none) {
    none = make('li', 'empty', 'Nothing out of the ordinary.');
    none.id = 'no-events';
    find('events').append(none);
  }
  if (told.length > 0 && none) none.remove();
}

// ---- all of it ----

function show() {
  if (node === null) return;
  const devices = list(node.devices);
  const pods = devices.flatMap((device) => list(device.pods));
  put(find('node-name'), words(node.nodeName));
  document.title = node.nodeName ? `${words(node.nodeName)} – Tranche` : 'Tranche';
  put(find('version'), node.version ? `Tranche ${words(node.version)}` : '');
  find('no-gpus')?.remove();
  walls = new Map(list(node.memoryWalls).map((wall) => [wallKey(wall.device, wall), wall]));
  showSummary(devices, pods, nodeNow());
  showAttention(devices);
  showWaiting();
  cards.show(devices);
  showConfig();
  showEvents();
}

find('filter').addEventListener('input', (event) => {
  filter = event.target.value.trim().toLowerCase();
  show();
});
document.addEventListener('keydown', (event) => {
  const field = find('filter');
  if (event.key === '/' && document.activeElement !== field && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    field.focus();
  }
});

new Feed((status, newest) => {
  node = status;
  history.add(newest);
  show();
}, showState).start();
