// Reads an LMDB folder the way the queue will, in a process that may die of it. Argument: <folder>.
// JavaScript, as Node would not strip types from it in an installed copy.
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { open } from 'lmdb';

/** Values of this table are large, and each has a checksum that is looked at when it is used. */
const PAYLOADS = 'payloads';
const NEWEST = 100;

const [dir = ''] = process.argv.slice(2);
const root = open({ path: dir, noSubdir: false, readOnly: true, maxDbs: 32 });
const { pageSize, lastPageNumber } = root.getStats();
const isCut = statSync(join(dir, 'data.mdb')).size < (lastPageNumber + 1) * pageSize;

for (const name of [...root.getKeys()]) {
  const table = root.openDB({ name, encoding: 'binary' });
  let entries = 0;
  // A page beyond the end of the file kills whoever reads it; which value lies there only reading all of them tells.
  if (name === PAYLOADS && !isCut) {
    for (const _ of table.getKeys()) entries += 1;
    for (const key of table.getKeys({ reverse: true, limit: NEWEST })) table.get(key);
  } else {
    for (const _ of table.getRange()) entries += 1;
  }
  const expected = table.getStats().entryCount;
  if (entries !== expected) throw new Error(`table ${name} has ${entries} of ${expected} entries`);
}
await root.close();
