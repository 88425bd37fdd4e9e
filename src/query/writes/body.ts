import express, { type ErrorRequestHandler, type RequestHandler } from 'express';
import { MAX_BLOB_BYTES } from '../../shared/read/writes.ts';

/** Of every body (read API contract §0.4, §1.6). */
const MAX_BODY_BYTES = MAX_BLOB_BYTES;

/** The body's bytes, uncompressed, as `request.body`; what the writes make of its type is their matter. */
const takeBytes: RequestHandler = express.raw({ type: () => true, limit: MAX_BODY_BYTES });

const explainSize: ErrorRequestHandler = (error: unknown, _request, _response, next) => {
  const isTooLarge = error instanceof Error && 'type' in error && error.type === 'entity.too.large';
  if (isTooLarge) error.message = `the body is larger than ${MAX_BODY_BYTES} bytes`;
  next(error);
};

export const readBody = [takeBytes, explainSize];
