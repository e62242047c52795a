// Timelines, as SVG: the stacked one of a GPU, with a cursor, and the small one of a pod.

import { bytes, duration, fullName, isNumber, percent } from './text.js';

const SVG = 'http://www.w3.org/2000/svg';
const WIDTH = 300;
const HEIGHT = 72;
const SMALL = 34;

export function svg(tag, attributes = {}) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

const drawing = (height) =>
  svg('svg', { viewBox: `0 0 ${WIDTH} ${height}`, preserveAspectRatio: 'none', 'aria-hidden': 'true' });

const at = (x, y) => `${x.toFixed(1)} ${y.toFixed(1)}`;

// The runs of indices at which something is known.
function runs(known) {
  const found = [];
  known.forEach((yes, i) => {
    if (!yes) return;
    if (i > 0 && known[i - 1]) found[found.length - 1].push(i);
    else found.push([i]);
  });
  return found;
}

// The area between two lines of values, 0 to 1.
function area(low, high, known, height) {
  const x = (i) => (i * WIDTH) / Math.max(1, known.length - 1);
  const y = (value) => height - Math.min(1, Math.max(0, value)) * (height - 1);
  return runs(known).map((run) => {
    const top = run.map((i) => at(x(i), y(high[i])));
    const bottom = run.map((i) => at(x(i), y(low[i]))).reverse();
    return `M${[...top, ...bottom].join('L')}Z`;
  }).join('');
}

function line(values, known, height) {
  const x = (i) => (i * WIDTH) / Math.max(1, known.length - 1);
  return runs(known).map((run) =>
    `M${run.map((i) => at(x(i), height - 1 - Math.min(1, values[i]) * (height - 2))).join('L')}`).join('');
}

// A pod's busy as an area, and its memory, as a part of the device's, as a line.
export class SmallTimeline {
  constructor() {
    this.element = document.createElement('div');
    this.element.className = 'small-timeline';
    this.element.setAttribute('role', 'img');
    const picture = drawing(SMALL);
    this.busy = svg('path', { class: 'busy' });
    this.memory = svg('path', { class: 'memory', 'vector-effect': 'non-scaling-stroke' });
    picture.append(this.busy, this.memory);
    this.element.append(picture);
  }

  draw(values, memoryBytes) {
    const busy = values.map((value) => (value.busy ?? 0) / 100);
    const memory = values.map((value) => (value.memory ?? 0) / (memoryBytes || Infinity));
    const zero = values.map(() => 0);
    this.busy.setAttribute('d', area(zero, busy, values.map((value) => isNumber(value.busy)), SMALL));
    this.memory.setAttribute('d', line(memory, values.map((value) => isNumber(value.memory)), SMALL));
    const known = values.map((value) => value.busy).filter(isNumber);
    const said = known.length === 0 ? 'Busy is not known.' :
      `The last minutes: busy from ${percent(Math.min(...known))} to ${percent(Math.max(...known))}.`;
    this.element.setAttribute('aria-label', said);
  }
}

// What all pods of a GPU have of it, stacked. Arrow keys and the pointer move a cursor through time.
export class Timeline {
  constructor(title, kind) {
    this.kind = kind; // "busy" or "memory"
    this.element = document.createElement('figure');
    this.element.className = `timeline ${kind}`;
    const caption = document.createElement('figcaption');
    this.readout = document.createElement('output');
    const name = document.createElement('span');
    name.textContent = title;
    caption.append(name, this.readout);
    this.plot = document.createElement('div');
    this.plot.className = 'plot';
    this.plot.tabIndex = 0;
    for (const [key, value] of [['role', 'slider'], ['aria-label', `${title}, at a time`],
      ['aria-valuemin', '-300'], ['aria-valuemax', '0'], ['aria-valuenow', '0']]) {
      this.plot.setAttribute(key, value);
    }
    this.picture = drawing(HEIGHT);
    for (const part of [0.25, 0.5, 0.75]) {
      this.picture.append(svg('line', { class: 'grid', x1: 0, x2: WIDTH, y1: HEIGHT * part, y2: HEIGHT * part,
        'vector-effect': 'non-scaling-stroke' }));
    }
    this.areas = svg('g');
    this.cursor = svg('line', { class: 'cursor', y1: 0, y2: HEIGHT, 'vector-effect': 'non-scaling-stroke' });
    this.picture.append(this.areas, this.cursor);
    this.plot.append(this.picture);
    const axis = document.createElement('div');
    axis.className = 'axis';
    axis.setAttribute('aria-hidden', 'true');
    for (const text of ['5 min ago', 'now']) {
      const end = document.createElement('span');
      end.textContent = text;
      axis.append(end);
    }
    this.element.append(caption, this.plot, axis);
    this.index = null; // of the cursor; null: none is shown
    this.data = null;
    this.listen();
  }

  listen() {
    this.plot.addEventListener('keydown', (event) => {
      const last = (this.data?.total.length ?? 1) - 1;
      const now = this.index ?? last;
      const to = { ArrowLeft: now - 1, ArrowRight: now + 1, PageUp: now - 15, PageDown: now + 15, Home: 0, End: last }[event.key];
      if (event.key === 'Escape') this.point(null);
      if (to === undefined) return;
      event.preventDefault();
      this.point(Math.min(last, Math.max(0, to)));
    });
    this.plot.addEventListener('blur', () => this.point(null));
    this.plot.addEventListener('pointermove', (event) => {
      const box = this.plot.getBoundingClientRect();
      const last = (this.data?.total.length ?? 1) - 1;
      const part = Math.min(1, Math.max(0, (event.clientX - box.left) / box.width));
      this.point(Math.round(part * last));
    });
    this.plot.addEventListener('pointerleave', () => this.point(null));
  }

  // `total`: of the device, null where not known. `layers`: [{pod, color, values}]; what of the total
  // is in none of them is the rest. All of `whole`.
  draw(total, layers, whole, step) {
    this.data = { total, layers, whole, step };
    const known = total.map(isNumber);
    let low = total.map(() => 0);
    const wanted = [...layers, { color: 'rest', values: null }];
    while (this.areas.childElementCount > wanted.length) this.areas.lastChild.remove();
    while (this.areas.childElementCount < wanted.length) this.areas.append(svg('path'));
    wanted.forEach((layer, i) => {
      const high = layer.values === null ? total.map((value, k) => Math.max(low[k], (value ?? 0) / whole)) :
        low.map((value, k) => value + (layer.values[k] ?? 0) / whole);
      const path = this.areas.children[i];
      path.setAttribute('class', `area ${layer.color}`);
      path.setAttribute('d', area(low, high, known, HEIGHT));
      low = high;
    });
    this.point(this.index);
  }

  point(index) {
    this.index = index;
    this.plot.classList.toggle('pointed', index !== null);
    if (this.data === null) return;
    const { total, layers, step } = this.data;
    const i = index ?? total.length - 1;
    const x = (i * WIDTH) / Math.max(1, total.length - 1);
    this.cursor.setAttribute('x1', x);
    this.cursor.setAttribute('x2', x);
    const say = this.kind === 'busy' ? percent : bytes;
    const ago = (total.length - 1 - i) * step;
    const parts = layers.filter((layer) => layer.values[i] > 0)
      .map((layer) => `${fullName(layer.pod)} ${say(layer.values[i])}`);
    const value = say(total[i]);
    const text = index === null ? value :
      `${ago === 0 ? 'now' : `${duration(ago)} ago`}: ${value}${parts.length ? ` – ${parts.join(', ')}` : ''}`;
    if (this.readout.textContent !== text) this.readout.textContent = text;
    this.plot.setAttribute('aria-valuenow', String(-ago));
    this.plot.setAttribute('aria-valuetext', text);
  }
}
