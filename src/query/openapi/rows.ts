import { anyObject, described, mapOf, oneOf, text } from './schema.ts';

/* What rows of several kinds have; `shared/read/model.ts` has the rows. */

export const ATTRIBUTES = described(mapOf(text), 'Numbers and booleans as text; what is no text is in otlp.');

/** Spells a value that JSON has no number for, and that is null therefore. */
export const VALUE_TEXT = oneOf(['NaN', 'Infinity', '-Infinity']);

export const OTLP_REST = {
  otlp: described(anyObject, 'The rest of the record in OTLP/JSON.'),
  resource: described(anyObject, '{resource, schemaUrl} in OTLP/JSON.'),
  scope: described(anyObject, '{scope, schemaUrl} in OTLP/JSON.'),
};
