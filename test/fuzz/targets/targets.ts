import type { FuzzTarget } from '../target.ts';
import { configTarget } from './config.ts';
import { cursorTarget } from './cursor.ts';
import { decompressTargets } from './decompress.ts';
import { mergeTarget } from './merge.ts';
import { otlpDoorTargets } from './otlp-doors.ts';
import { otlpJsonTargets } from './otlp-json.ts';
import { partitionTargets } from './partition.ts';
import { promqlTarget } from './promql.ts';
import { queryParametersTarget } from './query-parameters.ts';
import { shardDecoderTargets } from './shard-decoder.ts';
import { taelAnswerTarget } from './tael-answer.ts';

/** Targets that read the same kind of thing. */
export interface TargetGroup {
  readonly name: string;
  readonly targets: readonly FuzzTarget[];
}

export async function targetGroups(): Promise<readonly TargetGroup[]> {
  return [
    { name: 'OTLP receivers', targets: otlpDoorTargets() },
    { name: 'OTLP/JSON', targets: otlpJsonTargets() },
    { name: 'the partitioner', targets: await partitionTargets() },
    { name: 'the decoder of a shard', targets: await shardDecoderTargets() },
    { name: 'compressed bodies', targets: decompressTargets() },
    { name: 'the configuration', targets: [configTarget()] },
    { name: 'cursors', targets: [cursorTarget()] },
    { name: 'query parameters', targets: [queryParametersTarget()] },
    { name: 'PromQL', targets: [promqlTarget()] },
    { name: 'the merge of rows', targets: [mergeTarget()] },
    { name: 'answers of a tael-server', targets: [taelAnswerTarget()] },
  ];
}
