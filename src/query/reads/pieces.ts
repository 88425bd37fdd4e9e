interface Bound {
  readonly items: number;
  /** Of the items as JSON. */
  readonly bytes: number;
}

/** Lists as long as the bound allows, of at least one item each: what one request can carry. */
export function piecesOf<T>(all: Iterable<T>, most: Bound): T[][] {
  const pieces: T[][] = [];
  let room: Bound = { items: 0, bytes: 0 };
  for (const item of all) {
    const bytes = Buffer.byteLength(JSON.stringify(item));
    const last = pieces.at(-1);
    if (last !== undefined && room.items > 0 && room.bytes >= bytes) {
      last.push(item);
      room = { items: room.items - 1, bytes: room.bytes - bytes };
    } else {
      pieces.push([item]);
      room = { items: most.items - 1, bytes: most.bytes - bytes };
    }
  }
  return pieces;
}
