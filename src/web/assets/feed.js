// Where the page's figures come from: the event stream, and the documents where it is taken; and the
// last minutes, which outlast a restart of the program as long as this page is open.

import { isNumber, list, words } from './text.js';

const SPAN = 300; // seconds that a timeline shows
const SILENCE = 6000; // milliseconds after which a stream that says nothing counts as gone
const RETRY = 1000;

export class History {
  constructor() {
    this.series = new Map(); // by key: Map of time to [busy, memory]
    this.step = 2;
    this.end = 0;
  }

  static key(uuid, pod) {
    const parts = pod ? [pod.namespace, pod.pod, pod.container, pod.uid] : [];
    return JSON.stringify([words(uuid), ...parts.map(words)]);
  }

  add(news) {
    if (!news || !isNumber(news.endTime) || !isNumber(news.stepSeconds)) return;
    this.step = Math.max(1, news.stepSeconds);
    this.end = news.endTime;
    for (const device of list(news.devices)) {
      this.put(History.key(device.uuid), device);
      for (const pod of list(device.pods)) this.put(History.key(device.uuid, pod), pod);
    }
    const from = this.end - 2 * SPAN;
    for (const [key, points] of this.series) {
      for (const time of points.keys()) if (time < from || time > this.end) points.delete(time);
      if (points.size === 0) this.series.delete(key);
    }
  }

  put(key, news) {
    const points = this.series.get(key) ?? new Map();
    this.series.set(key, points);
    const [busy, memory] = [list(news.busyPercent), list(news.memoryBytes)];
    const count = Math.max(busy.length, memory.length);
    for (let i = 0; i < count; i += 1) {
      const time = this.end - (count - 1 - i) * this.step;
      const before = points.get(time) ?? [null, null];
      points.set(time, [busy[i] ?? before[0], memory[i] ?? before[1]]);
    }
  }

  // Of the last minutes, oldest first: [{busy, memory}], null where nothing is known.
  of(uuid, pod) {
    const points = this.series.get(History.key(uuid, pod)) ?? new Map();
    const values = [];
    for (let time = this.end - SPAN; time <= this.end; time += this.step) {
      const [busy, memory] = points.get(time) ?? [null, null];
      values.push({ busy, memory });
    }
    return values;
  }
}

export class Feed {
  // `update` gets each document pair, `state` "live", "asking" (no stream is to be had) or "away".
  constructor(update, state) {
    this.update = update;
    this.state = state;
  }

  start() {
    this.stream = new EventSource('api/v1/events');
    this.stream.addEventListener('update', (event) => {
      this.listen();
      this.state('live');
      this.take(JSON.parse(event.data));
    });
    this.stream.addEventListener('error', () => this.again());
    this.listen();
  }

  listen() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.again(), SILENCE);
  }

  async again() {
    this.stream.close();
    clearTimeout(this.silence);
    try {
      const [node, history] = await Promise.all(['node', 'history'].map((name) => this.ask(name)));
      this.state('asking');
      this.take({ node, history });
    } catch {
      this.state('away');
    }
    setTimeout(() => this.start(), RETRY);
  }

  async ask(name) {
    const answer = await fetch(`api/v1/${name}`, { signal: AbortSignal.timeout(SILENCE) });
    if (!answer.ok) throw new Error(`${answer.status}`);
    return answer.json();
  }

  take(document) {
    if (document && document.node) this.update(document.node, document.history);
  }
}
