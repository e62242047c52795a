// Pieces of the page that keep their place: an element is made once, and changed where its value has
// changed, so that what has the focus keeps it.

export function make(tag, className = '', text = '') {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text) element.textContent = text;
  return element;
}

export function put(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Makes `parent` hold one element for each item, in order: `create(item)` gives {element, …} for a
// key that is new, `change(part, item)` brings it up to date.
export class Keyed {
  constructor(parent, keyOf, create, change) {
    Object.assign(this, { parent, keyOf, create, change });
    this.parts = new Map();
  }

  show(items) {
    const left = new Set(this.parts.keys());
    let before = null;
    for (const item of items) {
      const key = this.keyOf(item);
      if (!left.delete(key) && this.parts.has(key)) continue; // told twice
      if (!this.parts.has(key)) this.parts.set(key, this.create(item));
      const part = this.parts.get(key);
      this.change(part, item);
      const place = before ? before.nextSibling : this.parent.firstChild;
      if (part.element !== place) this.parent.insertBefore(part.element, place);
      before = part.element;
    }
    for (const key of left) {
      this.parts.get(key).element.remove();
      this.parts.delete(key);
    }
  }
}

// A list of texts.
export const texts = (parent, tag) =>
  new Keyed(parent, (text) => text, (text) => ({ element: make(tag, '', text) }), () => {});
