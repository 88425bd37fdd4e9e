// Opens an LMDB folder and closes it. Argument: <folder>.
// JavaScript, as Node would not strip types from it in an installed copy.
import { open } from 'lmdb';

const [dir = ''] = process.argv.slice(2);
await open({ path: dir, noSubdir: false, readOnly: true }).close();
