// A GPU or MIG device, and its pods.

import { SmallTimeline, Timeline } from './chart.js';
import { History } from './feed.js';
import { Keyed, make, put } from './parts.js';
import { DASH, bytes, duration, fullName, isNumber, list, percent, rounded, words } from './text.js';

const COLORS = 8;
const IDLE = 60; // seconds without computing after which a pod is said to be idle

export const unhealthy = (device) => words(device.health) !== '' && !['Healthy', 'Unknown'].includes(device.health);
export const podKey = (pod) => History.key('', pod);

export function idleFor(pod, now) {
  if (!isNumber(pod.lastActive) || pod.busyPercent > 0) return null;
  const seconds = now - pod.lastActive;
  return seconds >= IDLE ? seconds : null;
}

const UNMEASURED = {
  mig: 'With MIG the driver tells no time of processes: memory alone is shown.',
  'not supported': 'This GPU tells no time of processes: memory alone is shown.',
};
export const whyUnmeasured = (device) => {
  const why = words(device.unmeasured);
  return why === '' ? '' : UNMEASURED[why] ?? `The time of processes is not known: ${why}.`;
};

// A number with its name.
class Fact {
  constructor(name) {
    this.element = make('div', 'fact');
    this.value = make('dd');
    this.element.append(make('dt', '', name), this.value);
  }
  show(text) {
    put(this.value, text);
    this.element.hidden = text === DASH;
  }
}

// A bar of what each pod has, the rest, and what is free.
class Shares {
  constructor(name) {
    this.element = make('div', 'shares');
    const head = make('div', 'shares-head');
    this.value = make('strong');
    head.append(make('span', '', name), this.value);
    this.bar = make('div', 'bar');
    this.bar.setAttribute('role', 'img');
    this.element.append(head, this.bar);
    this.parts = new Keyed(this.bar, (part) => part.key, () => ({ element: make('i') }), (part, item) => {
      part.element.className = item.color;
      part.element.style.width = `${(100 * item.share).toFixed(2)}%`;
      part.element.title = item.said;
    });
  }
  // `parts`: [{key, color, share (0 to 1), said}]
  show(text, parts) {
    put(this.value, text);
    let room = 1;
    const fitting = parts.map((part) => {
      const share = Math.min(room, Math.max(0, part.share || 0));
      room -= share;
      return { ...part, share };
    }).filter((part) => part.share > 0);
    this.parts.show(fitting);
    this.bar.setAttribute('aria-label', fitting.map((part) => part.said).join(', ') || 'nothing');
  }
}

class PodRow {
  constructor() {
    this.element = make('tr');
    const name = make('th');
    name.scope = 'row';
    this.swatch = make('i', 'swatch');
    const names = make('div');
    this.pod = make('span', 'pod');
    this.where = make('span', 'where');
    this.badges = make('span', 'badges');
    names.append(this.pod, this.where, this.badges);
    const both = make('div', 'pod-name');
    both.append(this.swatch, names);
    name.append(both);
    this.badgeList = new Keyed(this.badges, (badge) => badge.kind,
      (badge) => ({ element: make('span', `badge ${badge.kind}`) }), (part, badge) => put(part.element, badge.text));
    this.timeline = new SmallTimeline();
    this.cells = ['busy', 'memory', 'time', 'processes'].map((kind) => make('td', `number ${kind}`));
    const picture = make('td', 'picture');
    picture.append(this.timeline.element);
    this.element.append(name, picture, ...this.cells);
  }

  change({ pod, device, color, history, now, grantsKnown, wall }) {
    this.swatch.className = `swatch ${color}`;
    this.timeline.element.className = `small-timeline ${color}`;
    put(this.pod, words(pod.pod) || 'unnamed');
    put(this.where, [words(pod.namespace), words(pod.container)].filter(Boolean).join(' · '));
    const [busy, memory, time, processes] = this.cells;
    put(busy, percent(pod.busyPercent));
    const limit = isNumber(wall?.limitBytes) ? wall.limitBytes : pod.memoryLimitBytes;
    put(memory, isNumber(limit) ? `${bytes(pod.memoryBytes)} of ${bytes(limit)}` : bytes(pod.memoryBytes));
    put(time, duration(pod.gpuSeconds));
    put(processes, isNumber(pod.processes) ? String(pod.processes) : DASH);
    const idle = idleFor(pod, now);
    this.badgeList.show([
      grantsKnown && pod.granted === false && { kind: 'bad', text: 'not given this GPU' },
      wall?.walled === false && { kind: 'bad no-wall', text: `no wall: ${words(wall.reason) || 'not known why'}` },
      wall?.ledgerMismatch === true && { kind: 'bad mismatch', text: 'more memory than it counts' },
      wall?.refusals > 0 && { kind: 'warn', text: `refused memory ${wall.refusals}×` },
      !wall && pod.wouldRefuse > 0 && { kind: 'warn', text: `over its memory limit ${pod.wouldRefuse}×` },
      wall?.walled === true && { kind: 'plain walled', text: 'walled' },
      idle !== null && { kind: 'quiet', text: `idle ${duration(idle)}` },
      pod.replicas > 1 && { kind: 'plain', text: `${pod.replicas} shares` },
    ].filter(Boolean));
    this.timeline.draw(history.of(device.uuid, pod), device.memoryBytes);
  }
}

export class GpuCard {
  constructor() {
    this.element = make('article', 'card gpu');
    const head = make('header', 'gpu-head');
    const names = make('div', 'gpu-names');
    this.title = make('h3');
    this.detail = make('p', 'gpu-detail');
    names.append(this.title, this.detail);
    this.health = make('span', 'health');
    head.append(names, this.health);
    const facts = make('dl', 'facts');
    this.facts = Object.fromEntries(['Shares held', 'Contended', 'Power', 'Temperature', 'Other processes']
      .map((name) => [name, new Fact(name)]));
    facts.append(...Object.values(this.facts).map((fact) => fact.element));
    this.busy = new Shares('Busy');
    this.memory = new Shares('Memory');
    this.time = new Timeline('Who computed', 'busy');
    this.held = new Timeline('Who held memory', 'memory');
    const charts = make('div', 'charts');
    for (const [shares, timeline] of [[this.busy, this.time], [this.memory, this.held]]) {
      const column = make('div');
      column.append(shares.element, timeline.element);
      charts.append(column);
    }
    this.note = make('p', 'note');
    this.table = make('table', 'pods');
    const caption = make('caption', 'unseen');
    this.caption = caption;
    const row = make('tr');
    for (const [name, kind] of [['Pod', ''], ['Busy (area) and memory (line), last 5 minutes', 'picture'], ['Busy', 'number'],
      ['Memory', 'number'], ['GPU time', 'number time'], ['Processes', 'number processes']]) {
      const cell = make('th', kind, name);
      cell.scope = 'col';
      row.append(cell);
    }
    const tableHead = make('thead');
    tableHead.append(row);
    const body = make('tbody');
    this.table.append(caption, tableHead, body);
    this.empty = make('p', 'empty');
    this.element.append(head, facts, charts, this.note, this.table, this.empty);
    this.rows = new Keyed(body, (item) => podKey(item.pod), () => new PodRow(),
      (part, item) => part.change(item));
    this.colors = new Map(); // by pod; a pod keeps the one that it has
  }

  // Colours of pods that are gone are free again; a pod takes the least used.
  color(pods) {
    const keys = new Set(pods.map(podKey));
    for (const key of this.colors.keys()) if (!keys.has(key)) this.colors.delete(key);
    for (const key of keys) {
      if (this.colors.has(key)) continue;
      const used = Array(COLORS).fill(0);
      for (const color of this.colors.values()) used[color] += 1;
      this.colors.set(key, used.indexOf(Math.min(...used)));
    }
    return (pod) => `c${this.colors.get(podKey(pod))}`;
  }

  change(device, { history, now, matches, grantsKnown, wallOf }) {
    const pods = list(device.pods);
    const color = this.color(pods);
    put(this.title, `GPU ${words(device.index) || '?'}`);
    put(this.detail, [words(device.model), words(device.migProfile), words(device.uuid)].filter(Boolean).join(' · '));
    const health = words(device.health) || 'Unknown';
    put(this.health, health);
    this.health.dataset.health = health;
    this.element.setAttribute('aria-label', `GPU ${words(device.index)}, ${health}`);
    this.element.classList.toggle('unhealthy', unhealthy(device));
    this.showFacts(device);
    this.showUse(device, pods, color, history);
    const why = [unhealthy(device) ? words(device.healthReason) : '', whyUnmeasured(device)].filter(Boolean).join(' ');
    put(this.note, why);
    this.note.hidden = why === '';
    const shown = pods.filter(matches).map((pod) => ({ pod, device, color: color(pod), history, now, grantsKnown,
      wall: wallOf(device, pod) }));
    this.rows.show(shown);
    this.table.hidden = shown.length === 0;
    put(this.caption, `Pods on GPU ${words(device.index)}`);
    this.empty.hidden = shown.length > 0;
    put(this.empty, pods.length === 0 ? 'No pod uses or holds this GPU.' : 'No pod here has that in its name.');
  }

  showFacts(device) {
    const replicas = device.replicas ?? {};
    this.facts['Shares held'].show(isNumber(replicas.held) ? `${replicas.held} of ${replicas.advertised}` : DASH);
    this.facts.Contended.show(percent(device.contendedPercent));
    this.facts.Power.show(isNumber(device.powerLimitWatts) ?
      `${rounded(device.powerWatts, '')}of ${rounded(device.powerLimitWatts, 'W')}` : rounded(device.powerWatts, 'W'));
    this.facts.Temperature.show(rounded(device.temperatureCelsius, '°C'));
    const others = (device.hostProcesses || 0) + (device.unknownProcesses || 0);
    this.facts['Other processes'].show(others > 0 ? String(others) : DASH);
  }

  showUse(device, pods, color, history) {
    const parts = (of, whole, say, total) => {
      const shares = pods.map((pod) => ({ key: podKey(pod), color: color(pod), share: pod[of] / whole,
        said: `${fullName(pod)} ${say(pod[of])}` }));
      const rest = total - pods.reduce((sum, pod) => sum + (pod[of] || 0), 0);
      if (rest > 0) shares.push({ key: 'rest', color: 'rest', share: rest / whole, said: `the rest ${say(rest)}` });
      return shares;
    };
    const memory = device.memoryBytes || Infinity;
    this.busy.show(percent(device.busyPercent), parts('busyPercent', 100, percent, device.busyPercent || 0));
    this.memory.show(`${bytes(device.memoryUsedBytes)} of ${bytes(device.memoryBytes)}`,
      parts('memoryBytes', memory, bytes, device.memoryUsedBytes || 0));
    const own = history.of(device.uuid);
    const layers = pods.map((pod) => ({ pod, color: color(pod), points: history.of(device.uuid, pod) }));
    const of = (what) => layers.map((layer) => ({ ...layer, values: layer.points.map((point) => point[what]) }));
    this.time.draw(own.map((point) => point.busy), of('busy'), 100, history.step);
    this.held.draw(own.map((point) => point.memory), of('memory'), memory, history.step);
    const untimed = whyUnmeasured(device) !== '' && !isNumber(device.busyPercent);
    const quiet = pods.length === 0 && !(device.hostProcesses > 0) && !(device.unknownProcesses > 0);
    this.time.element.hidden = untimed || quiet;
    this.held.element.hidden = quiet;
    this.busy.element.hidden = untimed;
  }
}
