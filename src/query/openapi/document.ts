import { analysis } from './analysis.ts';
import { ANSWER_SCHEMAS, ERROR_RESPONSES, HEADERS } from './answers.ts';
import { blobs } from './blobs.ts';
import { comments } from './comments.ts';
import { evalReads } from './eval-reads.ts';
import { evalWrites } from './eval-writes.ts';
import { live } from './live.ts';
import { logs } from './logs.ts';
import { metrics } from './metrics.ts';
import { type Area, type Paths, type Schema, TAGS } from './openapi.ts';
import { PARAMETERS } from './parameters.ts';
import { process } from './process.ts';
import { sql } from './sql.ts';
import { traces } from './traces.ts';

const AREAS: readonly Area[] = [
  traces,
  logs,
  metrics,
  analysis,
  live,
  comments,
  evalReads,
  evalWrites,
  blobs,
  sql,
  process,
];

const DESCRIPTION = `OpenTelemetry data of several shards, read as if it were in one store.

Every answer says whether shards are missing: \`partial\`, \`shards\`, and two headers. An answer of more than 16 MiB of
rows is streamed: both members are its last ones then, and the headers are trailers. Every path that has GET has HEAD.
Other methods are a 405 with \`Allow\`, other paths a 404. Parameters that an operation does not have are ignored; one
that is given twice is a 400. Words and trace ids are taken in any case. Times are RFC 3339 in UTC. Members may be added.`;

/** The read API as an OpenAPI 3.1 document. */
export const DOCUMENT = {
  openapi: '3.1.1',
  info: {
    title: 'otelfan read API',
    // Of the API, as in its paths.
    version: '1',
    description: DESCRIPTION,
    license: { name: 'Apache 2.0', identifier: 'Apache-2.0' },
  },
  tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
  paths: Object.assign({}, ...AREAS.map(({ paths }) => paths)) as Paths,
  components: {
    parameters: PARAMETERS,
    headers: HEADERS,
    responses: ERROR_RESPONSES,
    schemas: Object.assign({}, ANSWER_SCHEMAS, ...AREAS.map(({ schemas }) => schemas)) as Readonly<
      Record<string, Schema>
    >,
  },
};
