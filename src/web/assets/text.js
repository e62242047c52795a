// How values are said. What is not known is null or absent, and shown as a dash.

export const DASH = '–';
const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export const isNumber = (value) => typeof value === 'number' && Number.isFinite(value);

// Nothing from outside is ever taken for anything but text; what is no text says nothing.
export const words = (value) => (typeof value === 'string' ? value : isNumber(value) ? String(value) : '');
export const list = (value) => (Array.isArray(value) ? value : []);

export function bytes(value) {
  if (!isNumber(value)) return DASH;
  let unit = 0;
  while (value >= 1024 && unit < UNITS.length - 1) {
    value /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || value >= 100 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

export function percent(value) {
  if (!isNumber(value)) return DASH;
  return value > 0 && value < 9.95 ? `${value.toFixed(1)} %` : `${Math.round(value)} %`;
}

export function duration(seconds) {
  if (!isNumber(seconds)) return DASH;
  if (seconds < 100) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 100 * 60) return `${Math.round(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${(seconds / 3600).toFixed(1)} h`;
  return `${Math.round(seconds / 86400)} days`;
}

export const rounded = (value, unit) => (isNumber(value) ? `${Math.round(value)} ${unit}` : DASH);
export const clock = (seconds) =>
  new Date(seconds * 1000).toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', second: '2-digit' });

export const fullName = (pod) =>
  [words(pod.namespace), words(pod.pod)].filter(Boolean).join('/') || 'unnamed';
