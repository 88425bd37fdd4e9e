import { parseDocument } from 'yaml';

/**
 * The value of one YAML document. Throws on what is not YAML, and on what a reader would only be warned of: an unknown
 * tag or directive is a mistake here, and a warning would be printed by Node and not by the product.
 */
export function parseYaml(text: string): unknown {
  const document = parseDocument(text, { logLevel: 'error' });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) throw problem;
  return document.toJS();
}
