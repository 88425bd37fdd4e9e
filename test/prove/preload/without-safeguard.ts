/* Loaded into processes with --import: they run without the safeguard that PROVE_WITHOUT names. */
import { registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { SAFEGUARDS } from '../safeguards.ts';

const safeguard = SAFEGUARDS.find(({ name }) => name === process.env.PROVE_WITHOUT);
if (safeguard === undefined) throw new Error(`PROVE_WITHOUT=${process.env.PROVE_WITHOUT} names no safeguard`);
const { file, text, without } = safeguard;
const changed = pathToFileURL(join(import.meta.dirname, '..', '..', '..', file)).href;

registerHooks({
  load(url, context, nextLoad) {
    const loaded = nextLoad(url, context);
    if (url !== changed) return loaded;
    const source = String(loaded.source);
    if (!source.includes(text)) throw new Error(`${file} does not have: ${text}`);
    return { ...loaded, source: source.replace(text, without) };
  },
});
