// The data of the page: one compressed block, as gamecircuits.explorer.page packs it.

const KINDS = { Float64Array, Float32Array, Int32Array, Uint8Array };

/** An array with its shape; `at(i, j, ...)` is one of its numbers, `row(i)` a part of it. */
export class Table {
  constructor(values, shape) {
    this.values = values;
    this.shape = shape;
  }

  at(...index) {
    let place = 0;
    index.forEach((i, axis) => (place = place * this.shape[axis] + i));
    return this.values[place];
  }

  /** The i-th part along the first axis: a view, of numbers if there is one axis left. */
  row(i) {
    const [, ...shape] = this.shape;
    const size = shape.reduce((product, n) => product * n, 1);
    const values = this.values.subarray(i * size, (i + 1) * size);
    return shape.length > 1 ? new Table(values, shape) : values;
  }
}

async function inflate(text) {
  const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
  return new Response(stream).arrayBuffer();
}

/** The data that Python packed; its arrays are Tables, or typed arrays if they have one axis. */
export async function unpack(text) {
  const block = await inflate(text);
  const size = new DataView(block).getUint32(0, true);
  const json = new TextDecoder().decode(new Uint8Array(block, 4, size));
  const start = 4 + size;
  return JSON.parse(json, (key, value) => {
    if (!Array.isArray(value?.array) || Object.keys(value).length > 1) return value;
    const [kind, shape, offset] = value.array;
    const length = shape.reduce((product, n) => product * n, 1);
    const values = new KINDS[kind](block, start + offset, length);
    return shape.length > 1 ? new Table(values, shape) : values;
  });
}
