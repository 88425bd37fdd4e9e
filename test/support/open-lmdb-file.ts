// Opens an LMDB file, for which it needs the lock of the writers, and ends. Argument: the folder.
import { openLmdbFile } from '../../src/ingest/queue/lmdb-file.ts';

const [path = ''] = process.argv.slice(2);
const file = await openLmdbFile({ path, maxDbs: 2, mapBytes: 1024 ** 2 });
await file.close();
