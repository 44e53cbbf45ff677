// What is shown, as names and values in the address after "#": a link shows the same.
//
// A value has the type of its default: text, number, or a list of numbers ("3.0.7").

const write = (value) => (Array.isArray(value) ? value.join(".") : String(value));

function read(text, like) {
  if (Array.isArray(like)) {
    const items = text === "" ? [] : text.split(".").map(Number);
    return items.every(Number.isInteger) ? items : like;
  }
  if (typeof like !== "number") return text;
  const number = Number(text);
  return Number.isFinite(number) ? number : like;
}

export class State {
  /** @param defaults names and values; those that hold them are not in the address. */
  constructor(defaults) {
    this.defaults = defaults;
    this.listeners = [];
    this.values = { ...defaults, ...this.#fromAddress() };
    window.addEventListener("hashchange", () => {
      if (location.hash.slice(1) === this.address().slice(1)) return;
      this.values = { ...this.defaults, ...this.#fromAddress() };
      this.#tell(Object.keys(this.values));
    });
  }

  #fromAddress() {
    const found = {};
    for (const [name, text] of new URLSearchParams(location.hash.slice(1))) {
      if (name in this.defaults) found[name] = read(text, this.defaults[name]);
    }
    return found;
  }

  /** More names, with their defaults; a module adds its own when it is built. */
  add(defaults) {
    this.defaults = { ...defaults, ...this.defaults };
    this.values = { ...this.defaults, ...this.values, ...this.#fromAddress() };
  }

  get(name) {
    return this.values[name];
  }

  /** The address of the state, with some changes. */
  address(changes = {}) {
    const values = { ...this.values, ...changes };
    const query = Object.keys(values)
      .filter((name) => write(values[name]) !== write(this.defaults[name]))
      .map((name) => `${name}=${encodeURIComponent(write(values[name]))}`);
    return `#${query.join("&")}`;
  }

  set(changes) {
    const changed = Object.keys(changes).filter(
      (name) => write(changes[name]) !== write(this.values[name]),
    );
    if (!changed.length) return;
    this.values = { ...this.values, ...changes };
    history.replaceState(null, "", this.address());
    this.#tell(changed);
  }

  /** `get` and `set` of the names that begin with a prefix, without it. */
  under(prefix) {
    const add = ([name, value]) => [`${prefix}${name}`, value];
    return {
      get: (name) => this.get(`${prefix}${name}`),
      set: (changes) => this.set(Object.fromEntries(Object.entries(changes).map(add))),
    };
  }

  /** Call when one of the names has changed. */
  listen(names, callback) {
    this.listeners.push([new Set(names), callback]);
  }

  #tell(changed) {
    for (const [names, callback] of this.listeners) {
      if (changed.some((name) => names.has(name))) callback();
    }
  }
}
