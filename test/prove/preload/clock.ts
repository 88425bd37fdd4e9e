/*
 * Loaded into processes with --import: their wall clock is off by as many milliseconds as PROVE_CLOCK_FILE says. What
 * does not follow the wall clock (timers, performance.now) goes on, as it does when somebody sets the time.
 */
import { readFileSync } from 'node:fs';

const file = process.env.PROVE_CLOCK_FILE as string;
const LOOK_EVERY_MS = 20;
const RealDate = globalThis.Date;
let offsetMs = 0;

function look(): void {
  offsetMs = Number(readFileSync(file, 'utf8'));
}

const now = () => RealDate.now() + offsetMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, newTarget) =>
    Reflect.construct(target, args.length === 0 ? [now()] : args, newTarget),
  get: (target, name, receiver) => (name === 'now' ? now : Reflect.get(target, name, receiver)),
});
look();
setInterval(look, LOOK_EVERY_MS).unref();
